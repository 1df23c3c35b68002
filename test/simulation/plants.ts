import { Effect, Stream } from "effect"
import { conversations } from "../../projections/conversations/projection.ts"
import type { Projection } from "../../projections/Projection.ts"
import { allProjections } from "../../projections/projections.ts"
import type { Sqlite, Transaction } from "../../projections/Sqlite.ts"
import { asItIs, type Wiring } from "./wiring.ts"

/** Bugs put between the parts, to see that they are found. None of the code under test knows of them. */
export const plants: Readonly<Record<string, Wiring>> = {
  "the relay's cursor saved when events are read, before they are committed": {
    ...asItIs,
    cursor: (cursor) => ({ ...cursor, read: Stream.tap(cursor.read, (batch) => cursor.ack(batch.at(-1)!.seq)) })
  },
  "telemetry's cursor saved when events are read, before they are stored": {
    ...asItIs,
    telemetryCursor: (cursor) => ({ ...cursor, read: Stream.tap(cursor.read, (batch) => cursor.ack(batch.at(-1)!.seq)) })
  },
  "a missing fence: the expected last sequence is not sent": {
    ...asItIs,
    log: (log) => ({ ...log, append: (batch) => log.append(batch.map(({ data, subject }) => ({ data, subject }))) })
  },
  "stamps compared without their source": {
    ...asItIs,
    projections: allProjections.map((projection) => projection === conversations ? withoutSources(projection) : projection)
  },
  "the tables' cursor saved before, and not with, what it stands for": {
    ...asItIs,
    sqlite: (sqlite) => ({ ...sqlite, transaction: (body) => cursorFirst(sqlite, body) })
  },
  "an answer before the fsync": {
    ...asItIs,
    journal: (log, unsynced) => ({ ...log, append: (batch) => Effect.tap(log.append(batch), ({ first }) => Effect.sync(() => unsynced(first, 500))) })
  }
}

function withoutSources(projection: Projection): Projection {
  const source = `local_sha256_${"0".repeat(64)}`
  return {
    ...projection,
    absorb: (tx, batch) => projection.absorb(tx, {
      ...batch,
      events: batch.events.map((event) => ({ ...event, opened: { ...event.opened, envelope: { ...event.opened.envelope, source } } }))
    })
  }
}

type Body<A, E, R> = (tx: Transaction) => Effect.Effect<A, E, R>

/** A first run tells where the cursor goes and leaves nothing; then the cursor; then the rest. */
function cursorFirst<A, E, R>(sqlite: Sqlite["Service"], body: Body<A, E, R>) {
  return Effect.gen(function*() {
    const cursors: Array<Parameters<Transaction["put"]>> = []
    const without = (tx: Transaction): Transaction => ({
      ...tx,
      put: (...statement) => statement[0].startsWith("insert into cursor") ? void cursors.push(statement) : tx.put(...statement)
    })
    yield* Effect.exit(sqlite.transaction((tx) => Effect.andThen(body(without(tx)), Effect.fail("found out"))))
    for (const statement of [...cursors]) yield* sqlite.transaction((tx) => tx.run(...statement))
    return yield* sqlite.transaction((tx) => body(without(tx)))
  })
}
