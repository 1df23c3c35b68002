// Goal: a batch counts once and with its cursor or not at all; tables of another shape are made anew; failures say what to do.
// Method: the suite of every Sqlite on the real one; and files under a closed database, damaged or out of reach.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer } from "effect"
import { chmodSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stateSeen } from "../../../projections/conversations/digest.ts"
import { Projections } from "../../../projections/runner.ts"
import { Sqlite, type Value } from "../../../projections/Sqlite.ts"
import type { SqliteFailed } from "../../../projections/SqliteFailed.ts"
import { message, offer, projectionsSuite } from "../../support/suites/projections.ts"
import { databaseAt, temporaryFolder, tenant } from "./rig.ts"

projectionsSuite("SQLite's own threads", Effect.map(temporaryFolder, (folder) => (projections) => databaseAt(join(folder, "projections.db"), projections)))

describe("the database file", () => {
  it.effect("is this user's alone", () =>
    Effect.gen(function*() {
      const path = join(yield* temporaryFolder, "projections.db")
      yield* Effect.scoped(Effect.provide(Projections.use((projections) =>
        Effect.map(projections.absorb(offer(1, message(1))), () => {
          for (const file of [path, `${path}-wal`]) assert.strictEqual(statSync(file).mode & 0o077, 0)
        })), databaseAt(path)))
    }))

  it.effect("that is damaged, or cannot be opened, says what to do", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      const damaged = join(folder, "damaged.db")
      writeFileSync(damaged, "this is not a database, however long one looks at it".repeat(100))
      const open = (path: string) => Effect.exit(Effect.scoped(Effect.asVoid(Layer.build(databaseAt(path)))))
      const reasonOf = (exit: Exit.Exit<void, SqliteFailed>) =>
        Exit.match(exit, { onSuccess: () => "opened", onFailure: (cause) => cause.reasons.map((reason) => reason._tag === "Fail" ? reason.error.reason : reason._tag).join() })
      assert.strictEqual(reasonOf(yield* open(damaged)), "corrupt")
      chmodSync(folder, 0o700)
      assert.strictEqual(reasonOf(yield* open(join(folder, "nowhere", "projections.db"))), "cannot open")
    }))

  it.effect("counts what it digests, though a write comes in between: its readers do not wait for its writer", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      yield* projections.absorb(offer(1, message(1)))
      const { digest: before } = yield* stateSeen(tenant)
      const sqlite = yield* Sqlite
      let written = false
      // another message comes right after the first query, whichever that is
      const meanwhile = <A>(rows: ReadonlyArray<A>) =>
        Effect.as(written ? Effect.void : Effect.suspend(() => {
          written = true
          return Effect.orDie(projections.absorb(offer(2, message(2))))
        }), rows)
      const watched = Sqlite.of({
        ...sqlite,
        all: <Row>(sql: string, ...values: ReadonlyArray<Value>) => Effect.flatMap(sqlite.all<Row>(sql, ...values), meanwhile),
        snapshot: (body) => sqlite.snapshot((read) => body({ ...read, all: <Row>(sql: string, ...values: ReadonlyArray<Value>) => Effect.flatMap(read.all<Row>(sql, ...values), meanwhile) }))
      })
      assert.deepStrictEqual(yield* Effect.provideService(stateSeen(tenant), Sqlite, watched), { conversations: 1, messages: 1, digest: before })
      assert.strictEqual((yield* stateSeen(tenant)).messages, 2)
    }).pipe(Effect.provide(Layer.unwrap(Effect.map(temporaryFolder, (folder) => databaseAt(join(folder, "projections.db")))))))
})
