import { Context, Effect, Layer, Queue, Semaphore } from "effect"
import { closeSync, openSync } from "node:fs"
import { type Connection, open, type Statements, type Value } from "./connection.ts"
import { SqliteFailed } from "./SqliteFailed.ts"
import { makeTransactions, type Transaction } from "./Transaction.ts"

export type { Statements, Transaction, Value }

/** Readers beside the writer: a long digest holds one, everything else uses the other. */
const readersCount = 2
/** How long a statement waits for another program's lock, milliseconds. We never meet our own. */
const busyMaxMs = 5000
/** Page cache of the writer, KiB: the inner pages of a million messages' indexes. */
const writerCacheKiB = 16 * 1024
/** Page cache of each reader, KiB. */
const readerCacheKiB = 4 * 1024
/** Pages in the write-ahead log before SQLite moves them into the file: 16 MiB, so that one big batch is moved once. */
const checkpointPages = 4096

/**
 * One SQLite file: a writer and readers that do not wait for each other (WAL). Statements run off the
 * JavaScript thread. A crash of the machine may lose the last transactions, never the file
 * (`synchronous = normal`); the cursors are lost with them, so the logs are read again from there.
 */
export class Sqlite extends Context.Service<Sqlite, {
  /** Run `body` in one write transaction: all or nothing. One at a time; others wait. Failure or interruption rolls back. */
  readonly transaction: <A, E, R>(body: (tx: Transaction) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqliteFailed, R>
  /** Run `body` over one unchanging state of the database. Holds a reader meanwhile. */
  readonly snapshot: <A, E, R>(body: (read: Statements) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqliteFailed, R>
  /** Write the file anew without what was deleted, and empty the write-ahead log: nothing that was removed is left in either. */
  readonly compact: Effect.Effect<void, SqliteFailed>
  /** One query. */
  readonly all: Statements["all"]
}>()("projections/Sqlite") {
  /** `path` is a file (not `:memory:`); it is made readable by this user alone. */
  static readonly layer = (options: { readonly path: string }) => Layer.effect(Sqlite, make(options.path))
}

const make = Effect.fnUntraced(function*(path: string) {
  yield* ownFile(path)
  const writer = yield* open(path, "write")
  yield* writer.script(`
    pragma busy_timeout = ${busyMaxMs};
    pragma journal_mode = wal;
    pragma synchronous = normal;
    pragma secure_delete = on;
    pragma foreign_keys = on;
    pragma cache_size = -${writerCacheKiB};
    pragma wal_autocheckpoint = ${checkpointPages};
  `)
  const readers = yield* Queue.unbounded<Connection>()
  for (let i = 0; i < readersCount; i++) {
    const reader = yield* open(path, "read")
    yield* reader.script(`
      pragma busy_timeout = ${busyMaxMs};
      pragma query_only = on;
      pragma cache_size = -${readerCacheKiB};
    `)
    yield* Queue.offer(readers, reader)
  }
  const withReader = <A, E, R>(use: (reader: Connection) => Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(Queue.take(readers), use, (reader) => Queue.offer(readers, reader))
  const turn = yield* Semaphore.make(1)
  const write = makeTransactions(writer)
  return Sqlite.of({
    transaction: (body) => turn.withPermits(1)(write(body)),
    snapshot: (body) => withReader((reader) => unchanging(reader, body)),
    compact: turn.withPermits(1)(writer.script("vacuum; pragma wal_checkpoint(truncate);")),
    all: (sql, ...values) => withReader((reader) => reader.all(sql, ...values))
  })
})

/** One unchanging state for all of `body`: taken at its first query, given back at its end. */
const unchanging = <A, E, R>(reader: Connection, body: (read: Statements) => Effect.Effect<A, E, R>): Effect.Effect<A, E | SqliteFailed, R> =>
  Effect.acquireUseRelease(reader.run("begin"), () => body(reader), () => Effect.ignore(reader.run("rollback")))

/** SQLite gives `-wal` and `-shm` the permissions of the file itself. */
const ownFile = (path: string) =>
  Effect.try({
    try: () => closeSync(openSync(path, "a", 0o600)),
    catch: (cause) =>
      new SqliteFailed({
        reason: "cannot open",
        code: "SQLITE_CANTOPEN",
        hint: "Check that the folder exists and belongs to this user.",
        detail: cause instanceof Error ? cause.message : String(cause)
      })
  })
