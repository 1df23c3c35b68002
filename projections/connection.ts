import { Effect } from "effect"
import sqlite3 from "sqlite3"
import { SqliteFailed } from "./SqliteFailed.ts"

export type Value = string | number | null | Uint8Array

/** Statements on one connection. SQL texts are constants: each is prepared once and kept. */
export interface Statements {
  /** Run a statement that returns no rows. `changes`: rows inserted, updated or deleted, triggers not counted. */
  readonly run: (sql: string, ...values: ReadonlyArray<Value>) => Effect.Effect<{ readonly changes: number }, SqliteFailed>
  /** Run a statement and read all its rows. The caller bounds their number. */
  readonly all: <Row>(sql: string, ...values: ReadonlyArray<Value>) => Effect.Effect<ReadonlyArray<Row>, SqliteFailed>
}

export interface Connection extends Statements {
  /** Several statements at once, without parameters. */
  readonly script: (sql: string) => Effect.Effect<void, SqliteFailed>
}

/** Open a connection for as long as the scope lasts. `mode` is checked by SQLite itself. */
export const open = (path: string, mode: "write" | "read") =>
  Effect.map(
    Effect.acquireRelease(openDatabase(path, mode), ({ database, prepared }) => close(database, prepared)),
    ({ database, prepared }): Connection => ({
      run: (sql, ...values) =>
        Effect.flatMap(statement(database, prepared, sql), (held) =>
          call<{ readonly changes: number }>((done) =>
            held.run(values, function(error) {
              done(error, { changes: this?.changes ?? 0 })
            }))),
      all: <Row>(sql: string, ...values: ReadonlyArray<Value>) =>
        Effect.flatMap(statement(database, prepared, sql), (held) =>
          call<ReadonlyArray<Row>>((done) => held.all<Row>(values, (error, rows) => done(error, rows)))),
      script: (sql) => call<void>((done) => database.exec(sql, (error) => done(error, undefined)))
    })
  )

/**
 * One call into the driver. Never interrupted half way: the driver cannot take a running statement back,
 * and whoever comes next must not meet it.
 */
const call = <A>(start: (done: (error: Error | null, answer: A) => void) => void): Effect.Effect<A, SqliteFailed> =>
  Effect.uninterruptible(Effect.callback<A, SqliteFailed>((resume) => {
    start((error, answer) => resume(error === null || error === undefined ? Effect.succeed(answer) : Effect.fail(SqliteFailed.of(error))))
  }))

type Prepared = Map<string, sqlite3.Statement>

const openDatabase = (path: string, mode: "write" | "read") =>
  Effect.suspend(() => {
    const flags = mode === "write" ? sqlite3.OPEN_READWRITE | sqlite3.OPEN_CREATE : sqlite3.OPEN_READONLY
    let database: sqlite3.Database
    return call<void>((done) => {
      database = new sqlite3.Database(path, flags, (error) => done(error, undefined))
    }).pipe(Effect.map(() => ({ database, prepared: new Map<string, sqlite3.Statement>() })))
  })

const statement = (database: sqlite3.Database, prepared: Prepared, sql: string) =>
  Effect.suspend(() => {
    const held = prepared.get(sql)
    if (held !== undefined) return Effect.succeed(held)
    let fresh: sqlite3.Statement
    return call<void>((done) => {
      fresh = database.prepare(sql, (error) => done(error, undefined))
    }).pipe(Effect.map(() => {
      prepared.set(sql, fresh)
      return fresh
    }))
  })

const close = (database: sqlite3.Database, prepared: Prepared) =>
  Effect.gen(function*() {
    for (const held of prepared.values()) yield* call<void>((done) => held.finalize(() => done(null, undefined)))
    yield* call<void>((done) => database.close((error) => done(error, undefined)))
  }).pipe(Effect.ignore)
