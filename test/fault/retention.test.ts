/**
 * Goal: what is old enough goes, exactly and once, whatever stops a run half way; what changes meanwhile stays.
 * Method: a log in memory under a clock of the test's own, and hosted's pen reduced to the append it ends in.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { TestClock } from "effect/testing"
import { randomUUID } from "node:crypto"
import { expire } from "../../src/hosted/retention.ts"
import type { OwnCommits } from "../../src/hosted/OwnCommits.ts"
import { type EventLog, LogUnavailable } from "../../src/nats/EventLog.ts"
import { makeMemoryLog } from "../../src/nats/memoryLog.ts"
import type { Fact } from "../../streams/catalog.ts"
import { decode, encode, interpret, plain } from "../../streams/Envelope.ts"
import { defaults } from "../../streams/events/settings.ts"
import { subjects } from "../../streams/subjects.ts"
import { Result } from "effect"

const tenant = "t_aaaaaaaaaaaaaaaa"
const hosted = `hosted_sha256_${"2".repeat(64)}`
const author = `local_sha256_${"1".repeat(64)}`
const on = (conversation: string) => subjects.logConversation(tenant, conversation)

const envelopeOf = (fact: Fact, subject: string, source = author) => plain(fact, { id: randomUUID(), source, time: "2026-11-22T10:00:00.000Z", subject, lamport: 1, surface: "web" })
const say = (log: EventLog, conversation: string) =>
  log.append([{ subject: on(conversation), data: encode(envelopeOf({ type: "message.appended", data: { message_id: "m", role: "user", content: "x", timestamp: "" } }, conversation)) }])

/** Hosted's pen: what it writes if nobody else wrote since. */
const penOn = (log: EventLog): Pick<OwnCommits, "writeIf"> => ({
  writeIf: (_, draft, expectedLast) =>
    log.append([{ subject: on(draft.subject), data: encode(envelopeOf(draft.fact, draft.subject, hosted)), expectedLast }]).pipe(
      Effect.map(({ last }) => ({ id: "", stamp: { lamport: 1, time: "", source: hosted }, position: last })),
      Effect.orElseSucceed(() => undefined))
})
const baseOn = (log: EventLog, retention_days = 90): Parameters<typeof expire>[0] => {
  return {
    audit: { record: () => Effect.void },
    keyring: { open: (_, envelope) => interpret(envelope, envelope.data) },
    hosted: { backendId: hosted, keys: [] },
    settings: new Map([[tenant, { settings: { ...defaults, retention_days }, seq: 0 }]]),
    tenants: { all: () => [{ tenant }] },
    partitions: { of: () => ({ log }) }
  }
}
/** What is left: per conversation, the types of its events. */
const left = (log: EventLog) =>
  log.readRange({ from: 1, through: 1000 }).pipe(Stream.runFold((): Record<string, Array<string>> => ({}), (held, batch) => {
    for (const { data, subject } of batch) (held[subject.split(".").at(-1)!] ??= []).push(Result.getOrThrow(decode(data)).type.replace(/^.*\./, ""))
    return held
  }))

describe("retention", () => {
  it.effect("removes what is 100 and exactly 90 days old, and leaves what is 89, or a millisecond short", () =>
    Effect.gen(function*() {
      const log = yield* makeMemoryLog("LOG")
      yield* say(log, "day-0")
      yield* say(log, "edited")
      yield* TestClock.adjust("10 days")
      yield* say(log, "day-10")
      yield* TestClock.adjust("1 milli")
      yield* say(log, "day-10-and-a-bit")
      yield* TestClock.adjust("1 day")
      yield* say(log, "day-11")
      yield* say(log, "edited")
      yield* TestClock.setTime(100 * 86_400_000)
      assert.deepStrictEqual(yield* expire(baseOn(log), penOn(log)), { conversations: 2, events: 2 })
      assert.deepStrictEqual(yield* left(log), {
        "day-10-and-a-bit": ["appended"], "day-11": ["appended"], edited: ["appended", "appended"], "day-0": ["expired"], "day-10": ["expired"]
      })
      assert.deepStrictEqual(yield* expire(baseOn(log), penOn(log)), { conversations: 0, events: 0 })
      // an edit brings a conversation back, and it is kept as long again
      yield* say(log, "day-0")
      assert.deepStrictEqual(yield* expire(baseOn(log), penOn(log)), { conversations: 0, events: 0 })
      yield* TestClock.adjust("90 days")
      assert.deepStrictEqual((yield* expire(baseOn(log), penOn(log))).conversations, 4)
      assert.deepStrictEqual((yield* left(log))["day-0"], ["expired"])
      // whoever keeps for longer keeps it
      assert.deepStrictEqual(yield* expire(baseOn(log, 36_500), penOn(log)), { conversations: 0, events: 0 })
    }))

  it.effect("says what it purged, place and id", () =>
    Effect.gen(function*() {
      const log = yield* makeMemoryLog("LOG")
      for (let i = 0; i < 3; i++) yield* say(log, i === 1 ? "other" : "c")
      const ids = yield* log.readRange({ from: 1, through: 3, filter: on("c") }).pipe(Stream.runFold((): Array<unknown> => [], (all, batch) => [...all, ...batch.map(({ data, seq }) => [seq, Result.getOrThrow(decode(data)).id])]))
      yield* TestClock.adjust("91 days")
      yield* expire(baseOn(log), penOn(log))
      const last = Option.getOrThrow(yield* log.last(on("c")))
      assert.deepStrictEqual(Result.getOrThrow(decode(last.data)).data, { before_seq: 4, purged: ids })
      // the announcement goes with the next one, and what it announced is said again
      yield* say(log, "c")
      yield* TestClock.adjust("91 days")
      yield* expire(baseOn(log), penOn(log))
      const next = Result.getOrThrow(decode(Option.getOrThrow(yield* log.last(on("c"))).data)).data as { readonly purged: ReadonlyArray<readonly [number, string]> }
      assert.includeDeepMembers([...next.purged], ids)
      assert.deepStrictEqual(next.purged.map(([seq]) => seq).sort((a, b) => a - b), [1, 3, last.seq, last.seq + 2])
    }))

  it.effect("goes on after it was killed between announcing and purging, to the same end", () =>
    Effect.gen(function*() {
      const log = yield* makeMemoryLog("LOG")
      for (const conversation of ["a", "a", "b"]) yield* say(log, conversation)
      yield* TestClock.adjust("91 days")
      const dying: EventLog = { ...log, purge: () => Effect.fail(new LogUnavailable({ stream: "LOG", cause: "killed" })) }
      yield* Effect.flip(expire(baseOn(dying), penOn(log)))
      assert.deepStrictEqual((yield* left(log))["a"], ["appended", "appended", "expired"])
      yield* expire(baseOn(log), penOn(log))
      assert.deepStrictEqual(yield* left(log), { a: ["expired"], b: ["expired"] })
    }))

  it.effect("leaves a conversation alone that somebody writes to while it is looked at", () =>
    Effect.gen(function*() {
      const log = yield* makeMemoryLog("LOG")
      yield* say(log, "c")
      yield* TestClock.adjust("91 days")
      const late = { writeIf: (...given: Parameters<OwnCommits["writeIf"]>) => Effect.andThen(Effect.orDie(say(log, "c")), penOn(log).writeIf(...given)) }
      assert.deepStrictEqual(yield* expire(baseOn(log), late), { conversations: 0, events: 0 })
      assert.deepStrictEqual(yield* left(log), { c: ["appended", "appended"] })
    }))
})
