import { Effect, Semaphore } from "effect"
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite"
import type { Connection } from "../../projections/connection.ts"
import { Sqlite, type Value } from "../../projections/Sqlite.ts"
import { SqliteFailed } from "../../projections/SqliteFailed.ts"
import { makeTransactions } from "../../projections/Transaction.ts"

/**
 * A database in memory that outlives the processes that open it: the same SQL as the real one, on this thread.
 *
 * Databases are used again: making the tables costs more than a schedule does with them.
 */
export class Database {
  readonly #database = new DatabaseSync(":memory:")
  readonly #prepared = new Map<string, StatementSync>()

  statement(sql: string): StatementSync {
    const held = this.#prepared.get(sql)
    if (held !== undefined) return held
    const made = this.#database.prepare(sql)
    this.#prepared.set(sql, made)
    return made
  }

  exec(sql: string): void {
    this.#database.exec(sql)
  }

  readonly connection: Connection = {
    run: (sql, ...values) => attempt(() => ({ changes: Number(this.statement(sql).run(...values).changes) })),
    all: <Row>(sql: string, ...values: ReadonlyArray<Value>) =>
      attempt(() => {
        const rows: unknown = this.statement(sql).all(...values)
        return rows as ReadonlyArray<Row>
      }),
    script: (sql) => attempt(() => this.exec(sql))
  }

  /** Kept from process to process: the views in which statements are joined are dear to make, and stay with the connection. */
  #transactions: ReturnType<typeof makeTransactions> | undefined

  transactions() {
    const held = this.#transactions ??= makeTransactions(this.connection)
    // a new process remembers nothing
    Effect.runSync(Effect.orDie(held((tx) => Effect.sync(() => tx.memory.clear()))))
    return held
  }

  /** What a killed process leaves: nothing of a transaction that was not committed. */
  crash(): void {
    if (!this.#database.isTransaction) return
    this.exec("rollback")
    this.#transactions = undefined
  }

  /** As if its file had been deleted. */
  empty(): void {
    this.crash()
    for (const table of this.#tables) this.statement(`delete from "${table}"`).run()
    // the deleted rows' triggers took their words out of the search
    this.statement("update searched set write = 0").run()
  }

  copy(): DatabaseCopy {
    return new Map(this.#tables.map((table) => [table, this.statement(`select * from "${table}"`).all().map((row) => Object.values(row))]))
  }

  /** The rows as they were once. (Putting the serialized file back makes node:sqlite crash with statements prepared.) */
  putBack(copy: DatabaseCopy): void {
    this.empty()
    for (const [table, rows] of copy) {
      for (const row of rows) this.statement(`insert into "${table}" values (${row.map(() => "?").join()})`).run(...row)
    }
  }

  /** All that hold what the logs say; the search follows by itself. */
  get #tables(): ReadonlyArray<string> {
    return this.statement("select name from sqlite_schema where type = 'table' and name not in ('shape', 'searched', 'said') and name not like 'said!_%' escape '!' and name not like 'sqlite_%'").all().map(({ name }) => String(name))
  }
}

/** Rows by table. */
export type DatabaseCopy = ReadonlyMap<string, ReadonlyArray<ReadonlyArray<SQLOutputValue>>>

export interface SqliteOptions {
  /** Awaited before a transaction is committed, and before its caller hears of it: places to die at. */
  readonly pause?: Effect.Effect<void>
}

/** `Sqlite` on such a database. Readers and the writer take turns: no reader sees half a transaction. */
export const sqliteOn = (database: Database, { pause = Effect.void }: SqliteOptions = {}): Sqlite["Service"] => {
  const turn = Semaphore.makeUnsafe(1)
  const { connection } = database
  const write = database.transactions()
  return Sqlite.of({
    transaction: (body) => Effect.tap(turn.withPermits(1)(write((tx) => Effect.tap(body(tx), pause))), pause),
    snapshot: (body) => turn.withPermits(1)(Effect.acquireUseRelease(connection.run("begin"), () => body(connection), () => Effect.ignore(connection.run("rollback")))),
    all: (sql, ...values) => turn.withPermits(1)(connection.all(sql, ...values)),
    compact: turn.withPermits(1)(Effect.asVoid(connection.run("vacuum")))
  })
}

const attempt = <A>(run: () => A) => Effect.try({ try: run, catch: (cause) => SqliteFailed.of(codeOf(cause)) })

/** node:sqlite says its codes as numbers; sqlite3, whose words the projections know, as names. */
const names: Readonly<Record<number, string>> = { 5: "SQLITE_BUSY", 6: "SQLITE_LOCKED", 8: "SQLITE_READONLY", 10: "SQLITE_IOERR", 11: "SQLITE_CORRUPT", 13: "SQLITE_FULL", 14: "SQLITE_CANTOPEN", 26: "SQLITE_NOTADB" }
const codeOf = (cause: unknown): Error => {
  const error = cause instanceof Error ? cause : new Error(String(cause))
  const code = "errcode" in error && typeof error.errcode === "number" ? names[error.errcode & 0xff] ?? "SQLITE_ERROR" : "SQLITE_ERROR"
  return Object.assign(new Error(error.message), { code })
}

const pool: Array<Database> = []

/** An empty database, perhaps one that was used before. */
export const takeDatabase = (): Database => pool.pop() ?? new Database()

export const giveBack = (database: Database): void => {
  database.empty()
  pool.push(database)
}
