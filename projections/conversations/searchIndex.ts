import { Clock, Duration, Effect, Schedule } from "effect"
import { Sqlite, type Transaction } from "../Sqlite.ts"

/** Writes taken into the index at once, and characters of them: whoever writes meanwhile waits 10 to 20 ms. */
const stepWrites = 200
const stepMaxChars = 128 * 1024
/** Of the writer's time, the index takes one part of this many while it has to catch up. */
const share = 6
const restMin = Duration.millis(20)
/** How soon a write that nobody searches for is in the index. */
const lookEvery = Duration.seconds(1)

/** How many writes the index lacks, as far as a step looks. */
const lacking = "select id, coalesce(length(content), 0) as chars from write where id > (select write from searched where id = 1) order by id limit ?"

/** Take the next writes into the index. How many they were; 0: it has them all. */
export const searchStep = Effect.gen(function*() {
  const sqlite = yield* Sqlite
  if ((yield* sqlite.all(lacking, 1)).length === 0) return 0
  return yield* sqlite.transaction(Effect.fnUntraced(function*(tx) {
    const rows = yield* tx.all<{ readonly id: number; readonly chars: number }>(lacking, stepWrites)
    let chars = 0
    const taken = rows.filter((row, at) => (chars += row.chars) <= stepMaxChars || at === 0)
    const last = taken[taken.length - 1]
    if (last === undefined) return 0
    yield* tx.run("insert into said (rowid, tenant, content) select id, tenant, content from searchable where id > (select write from searched where id = 1) and id <= ? and content is not null", last.id)
    yield* tx.run("update searched set write = ? where id = 1", last.id)
    return taken.length
  }))
})

/** Keeps the index behind the tables by a second or so, without end. Where the disk is full it waits. */
export const keepSearchable = Effect.gen(function*() {
  const began = yield* Clock.currentTimeMillis
  const taken = yield* searchStep
  const took = (yield* Clock.currentTimeMillis) - began
  yield* Effect.sleep(taken === 0 ? lookEvery : Duration.max(restMin, Duration.millis(took * (share - 1))))
}).pipe(Effect.forever, Effect.retry({ schedule: Schedule.spaced(lookEvery), while: ({ reason }) => reason === "disk full" }))

/**
 * Remove very many writes, as an erasure does. One by one, each would be taken out of the index's pages by itself, two
 * milliseconds a write; so it is written anew once, without them.
 */
export const removingMany = <A, E>(tx: Transaction, remove: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    yield* tx.run("insert into said (said, rank) values ('secure-delete', 0)")
    yield* remove
    yield* tx.run("insert into said (said) values ('optimize')")
    yield* tx.run("insert into said (said, rank) values ('secure-delete', 1)")
  })
