import { Effect, type Exit } from "effect"
import { isSuccess } from "effect/Exit"
import type { Connection, Statements, Value } from "./connection.ts"
import type { SqliteFailed } from "./SqliteFailed.ts"

/**
 * Statements inside one write transaction.
 *
 * A statement is a trip to another thread and back, and costs far more than the work of a small one. So nothing is
 * begun for queries alone (nobody else writes), and what is `put` goes together in one trip.
 */
export interface Transaction extends Statements {
  /** A write that answers nothing: done in order with the others put, before the next statement or the commit. */
  readonly put: (sql: string, ...values: ReadonlyArray<Value>) => void
  /** A query about what was there before the writes that were `put` and not done yet: those may go on waiting. */
  readonly before: Statements["all"]
  /**
   * Row ids remembered from one transaction to the next, instead of being read again; empty after one that failed.
   * Whoever deletes such rows clears it.
   */
  readonly memory: Map<string, number>
}

/** Names remembered; with more, all are forgotten. About 100 bytes each. */
const memoryMax = 20_000

/** Above this, statements go one by one: the trips no longer count, and SQLite need not be ready to undo them all at once. */
const joinedMaxChars = 64 * 1024

interface Put {
  readonly sql: string
  readonly values: ReadonlyArray<Value>
}

/** One write transaction after the other on this connection, which nobody else uses: all of `body` or nothing. */
export const makeTransactions = (connection: Connection) => {
  const memory = new Map<string, number>()
  /** Sequences of statements that have become one, by their texts. */
  const joined = new Map<string, string>()

  const together = (puts: ReadonlyArray<Put>): Effect.Effect<unknown, SqliteFailed> => {
    const [first] = puts
    if (puts.length === 1) return connection.run(first!.sql, ...first!.values)
    const texts = puts.map(({ sql }) => sql)
    const values = puts.flatMap((put) => put.values)
    const key = texts.join(";\n")
    const held = joined.get(key)
    if (held !== undefined) return connection.run(held, ...values)
    const { insert, script } = join(`together_${joined.size}`, puts)
    joined.set(key, insert)
    return Effect.andThen(connection.script(script), connection.run(insert, ...values))
  }

  const start = () => {
    let begun = false
    let waiting: Array<Put> = []
    const begin = Effect.suspend(() =>
      begun ? Effect.void : Effect.uninterruptible(Effect.map(connection.run("begin immediate"), () => {
        begun = true
      })))
    const flush = Effect.suspend((): Effect.Effect<unknown, SqliteFailed> => {
      if (waiting.length === 0) return Effect.void
      const puts = waiting
      waiting = []
      return charsOf(puts) <= joinedMaxChars
        ? together(puts)
        : Effect.andThen(begin, Effect.forEach(puts, ({ sql, values }) => connection.run(sql, ...values), { discard: true }))
    })
    const written = Effect.andThen(begin, flush)
    const transaction: Transaction = {
      memory,
      put: (sql, ...values) => void waiting.push({ sql, values }),
      run: (sql, ...values) => Effect.andThen(written, connection.run(sql, ...values)),
      before: (sql, ...values) => connection.all(sql, ...values),
      all: <Row>(sql: string, ...values: ReadonlyArray<Value>) =>
        Effect.suspend(() => !begun && waiting.length === 0 && isQuery(sql)
          ? connection.all<Row>(sql, ...values)
          : Effect.andThen(written, connection.all<Row>(sql, ...values)))
    }
    const forget = Effect.suspend(() => {
      memory.clear()
      // made inside the transaction, gone with it
      joined.clear()
      // some failures have rolled back already; then there is nothing to roll back
      return begun ? Effect.ignore(connection.run("rollback")) : Effect.void
    })
    // one statement is a transaction by itself
    const commit = Effect.andThen(flush, Effect.suspend(() => begun ? connection.run("commit") : Effect.void)).pipe(
      // a commit that fails (disk full) leaves the transaction open: close it, so that the next one can begin
      Effect.tapError(() => forget))
    return { transaction, end: <A, E>(exit: Exit.Exit<A, E>): Effect.Effect<unknown, SqliteFailed> => isSuccess(exit) ? commit : forget }
  }

  return <A, E, R>(body: (tx: Transaction) => Effect.Effect<A, E, R>): Effect.Effect<A, E | SqliteFailed, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        if (memory.size > memoryMax) memory.clear()
        return start()
      }),
      ({ transaction }) => body(transaction),
      ({ end }, exit) => end(exit)
    )
}

const charsOf = (puts: ReadonlyArray<Put>): number =>
  puts.reduce((sum, { values }) => values.reduce<number>((chars, value) => typeof value === "string" ? chars + value.length : chars, sum), 0)

const isQuery = (sql: string): boolean => /^\s*select\b/i.test(sql)

/**
 * Several statements as one: SQLite runs the body of a trigger for the row that is offered to a view, the statements'
 * parameters being that row's columns. Texts are constants, so there are a few such sequences, each prepared once.
 */
const join = (name: string, puts: ReadonlyArray<Put>) => {
  let count = 0
  const statements = puts.map(({ sql, values }) => {
    const first = count
    let next = 0
    count += values.length
    return sql.replace(/\?(\d*)/g, (_, number: string) => `new.v${first + (number === "" ? next++ : Number(number) - 1)}`)
  })
  const columns = Array.from({ length: count }, (_, i) => `v${i}`)
  return {
    insert: `insert into temp.${name} values (${columns.map(() => "?").join(", ")})`,
    script: `
      drop view if exists temp.${name};
      create temp view ${name} as select ${columns.map((column) => `null as ${column}`).join(", ")};
      create temp trigger ${name}_each instead of insert on ${name} begin ${statements.map((statement) => `${statement};`).join("\n")} end`
  }
}
