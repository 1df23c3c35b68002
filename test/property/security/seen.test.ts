// Goal: a commit that somebody took out of a log shows as soon as anybody who had read it writes, and an honest log shows nothing.
// Method: random histories of three authors, each naming the newest record it had read; one whole commit removed; real signatures.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { parseLog } from "../../../streams/subjects.ts"
import { digestOf } from "../../../src/security/digest.ts"
import { LogReader } from "../../../src/security/LogReader.ts"
import { LogHistory, makeKeys } from "../../support/logHistory.ts"

const keys = Effect.runPromise(makeKeys(["hosted", "ada", "bob", "cat"]))
const below = (most: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: most - 1 }))
/** Who writes, how many events, and how many records it was behind with its reading; more than there are: it read nothing. */
const Steps = Schema.Array(Schema.Struct({ who: below(3), events: below(3), behind: below(6) })).check(Schema.isMinLength(2), Schema.isMaxLength(8))

const isRecord = (subject: string): boolean => Result.getOrThrow(parseLog(subject)).kind === "commit"

const written = async (steps: typeof Steps.Type) => {
  const made = await keys
  const log = new LogHistory(made["hosted"]!)
  const authors = ["ada", "bob", "cat"].map((name) => log.join(name, made[name]!))
  for (const { behind, events, who } of steps) {
    const author = authors[who]!
    const read = log.messages.filter(({ subject }) => isRecord(subject)).at(-1 - behind)
    const seen = read === undefined ? { log_seq: 0, head: "" } : { log_seq: read.seq, head: digestOf(read.data) }
    log.commit(author, Array.from({ length: events + 1 }, (_, n) => log.said(author, "c", `${author.to}-${n}`)), { seen })
  }
  return log
}

describe("what authors had read", () => {
  it.effect.prop("is all there in an honest log, wherever reading begins", [Steps, below(100)], ([steps, from]) =>
    Effect.gen(function*() {
      const log = yield* Effect.promise(() => written(steps))
      assert.deepStrictEqual(log.read().named, [])
      // a reader that goes on where it stopped knows the keys and heads, and not what records lie before
      const reader = log.newReader()
      const begin = from % log.messages.length
      log.read(log.messages.slice(0, begin), reader)
      const late = new LogReader(reader.keys)
      const begins = log.messages.slice(begin).flatMap((message) => late.accept(message))
      assert.deepStrictEqual(begins.filter((read) => read.kind === "problem" && read.what === "forked"), [])
    }), { arbitrary: { runs: 20 } })

  it.effect.prop("is missed where a commit was taken out that somebody else had read", [Steps, below(100)], ([steps, which]) =>
    Effect.gen(function*() {
      const log = yield* Effect.promise(() => written(steps))
      const records = log.messages.filter(({ subject }) => isRecord(subject)).slice(3)
      const gone = records[which % records.length]!
      const before = log.messages.filter(({ seq, subject }) => seq < gone.seq && isRecord(subject)).at(-1)?.seq ?? 0
      const left = log.messages.filter(({ seq }) => seq <= before || seq > gone.seq)
      const author = (subject: string) => Result.getOrThrow(parseLog(subject)).id
      const readers = left.filter(({ data, seq, subject }) => seq > gone.seq && isRecord(subject) && new TextDecoder().decode(data).includes(`"head":"${digestOf(gone.data)}"`))
      const follower = left.find(({ seq, subject }) => seq > gone.seq && isRecord(subject) && author(subject) === author(gone.subject))
      const named = new Set([...readers.map(({ seq }) => `forked ${seq}`), ...(follower === undefined ? [] : [`gap ${follower.seq}`])])
      assert.deepStrictEqual(new Set(log.read(left).named), named)
    }), { arbitrary: { runs: 40 } })
})
