import { Effect, Layer } from "effect"
import { join } from "node:path"
import { allProjections } from "../../../projections/projections.ts"
import { Projections } from "../../../projections/runner.ts"
import { Sqlite, type Statements, type Transaction, type Value } from "../../../projections/Sqlite.ts"
import { temporaryFolder } from "./rig.ts"

/** What went through the database: every statement, and the rows it changed or read. */
export interface Observed {
  readonly statements: Map<string, number>
  rows: number
}
export const observed = (): Observed => ({ statements: new Map(), rows: 0 })

/** A database that tells what is asked of it. */
export const watchedDatabase = (seen: Observed) =>
  Projections.layer(allProjections).pipe(
    Layer.provideMerge(Layer.effect(Sqlite, Effect.map(Sqlite, (sqlite) => watched(sqlite, seen)))),
    Layer.provide(Layer.unwrap(Effect.map(temporaryFolder, (folder) => Sqlite.layer({ path: join(folder, "projections.db") }))))
  )

const watched = (sqlite: Sqlite["Service"], seen: Observed): Sqlite["Service"] => {
  const note = (sql: string, rows: number) => {
    seen.statements.set(sql, (seen.statements.get(sql) ?? 0) + 1)
    seen.rows += rows
  }
  const watchAll = (all: Statements["all"]): Statements["all"] => (<Row>(sql: string, ...values: ReadonlyArray<Value>) =>
    Effect.tap(all<Row>(sql, ...values), (rows) => Effect.sync(() => note(sql, rows.length))))
  const watch = (tx: Transaction): Transaction => ({
    memory: tx.memory,
    put: (sql, ...values) => {
      // told before it runs: the rows it brings, which are the rows it writes
      note(sql, values.reduce<number>((rows, value) => rows + (typeof value === "string" && value.startsWith("[") ? (JSON.parse(value) as ReadonlyArray<unknown>).length : 0), 0))
      tx.put(sql, ...values)
    },
    run: (sql, ...values) => Effect.tap(tx.run(sql, ...values), ({ changes }) => Effect.sync(() => note(sql, changes))),
    all: watchAll(tx.all),
    before: watchAll(tx.before)
  })
  return Sqlite.of({
    transaction: (body) => sqlite.transaction((tx) => body(watch(tx))),
    snapshot: (body) => sqlite.snapshot((read) => body({ run: read.run, all: watchAll(read.all) })),
    all: watchAll(sqlite.all),
    compact: sqlite.compact
  })
}

/** Reading a whole table is a defect, except what the batch itself brought (JSON) and tables of a row or two. */
const whole = /^SCAN (?!.*VIRTUAL TABLE)(?!CONSTANT ROW|v\b|\(subquery|cursor\b|shape\b)/

/** The lines of a statement's plan that read a whole table. */
export const scansOf = Effect.fnUntraced(function*(sql: string) {
  const sqlite = yield* Sqlite
  const plan = yield* sqlite.all<{ detail: string }>(`explain query plan ${sql}`)
  return plan.map(({ detail }) => detail).filter((detail) => whole.test(detail))
})
