// Goal: two backends that read the same events show the same: equal digests, whatever each wrote itself, kept back or called otherwise.
// Method: one set of events, seen from two authors (own journal and echoes here, foreign events there) in different batches.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import type { Entry, Shared } from "../../../projections/Entry.ts"
import { stateDigest } from "../../../projections/conversations/digest.ts"
import { conflicts } from "../../../projections/conversations/history.ts"
import { counts, get } from "../../../projections/conversations/queries.ts"
import { Projections } from "../../../projections/runner.ts"
import type { Fact } from "../../../streams/catalog.ts"
import { type Opened, stampOf } from "../../../streams/Envelope.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { database, type Dice, event, feed, random, sourceOf, tenant } from "./rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

interface Written {
  readonly author: number
  /** As its author wrote it, and as everybody else reads it. */
  readonly here: Opened
  readonly there: Opened
  readonly shared: Shared
  readonly withheld: boolean
}

const mapped = (id: string) => id.includes("@") || id.includes(":") ? `h_${id.replaceAll(/[^a-z0-9]/g, "_")}` : id
const redacted = (text: string) => text.replace("555-0100", "[REDACTED_PHONE]")

const write = (dice: Dice, id: number, stamps: ReadonlyArray<Stamp>): Written => {
  const author = dice.below(2)
  const lamport = 1 + id
  const conversation = dice.pick(["ann@example.org", "plain", "room:7"])
  const message_id = dice.pick(["m:1", "m2", "m3"])
  const text = dice.pick(["yes", "no", "call 555-0100"])
  const base = stamps.length > 0 && dice.chance(0.6) ? { base: dice.pick(stamps) } : {}
  const data = { message_id, role: "user", content: text, timestamp: "" }
  const fact = dice.pick<Fact>([
    { type: "message.appended", data },
    { type: "message.edited", data: { ...data, ...base } },
    { type: "message.edited", data: { ...data, ...base } },
    { type: "message.deleted", data: { message_id, ...base } },
    { type: "conversation.renamed", data: { title: text } },
    { type: "conversation.deleted", data: {} }
  ])
  const about = { id, source: sourceOf(author), lamport, subject: conversation }
  const isMessage = "message_id" in fact.data
  const shared: Shared = {
    conversation: mapped(conversation),
    ...(isMessage ? { message_id: mapped(message_id) } : {}),
    ...("content" in fact.data ? { content: redacted(text) } : {}),
    ...("title" in fact.data ? { title: redacted(text) } : {})
  }
  const there = {
    type: fact.type,
    data: {
      ...fact.data,
      ...(isMessage ? { message_id: mapped(message_id) } : {}),
      ...("content" in fact.data ? { content: redacted(text) } : {}),
      ...("title" in fact.data ? { title: redacted(text) } : {})
    }
  } as Fact
  return { author, here: event(fact, about), there: event(there, { ...about, subject: mapped(conversation) }), shared, withheld: dice.chance(0.1) }
}

/** What one of the two authors (or a third, who wrote nothing) reads. */
const seenBy = (reader: number, all: ReadonlyArray<Written>) => {
  const journal: Array<Entry> = []
  const log: Array<Entry> = []
  all.forEach(({ author, here, shared, there, withheld }, i) => {
    const seq = i + 1
    if (author === reader) {
      journal.push({ kind: "event", log: "journal", seq: journal.length + 1, tenant, opened: here, own: true })
      log.push(withheld
        ? { kind: "withheld", seq, tenant, eventIds: [here.envelope.id], why: "surface" }
        : { kind: "echo", seq, tenant, eventId: here.envelope.id, shared })
    } else if (!withheld) log.push({ kind: "event", log: "log", seq, tenant, opened: there, own: false })
  })
  return { journal, log }
}

const readAs = (reader: number, all: ReadonlyArray<Written>, seed: number) =>
  Effect.gen(function*() {
    yield* feed(random(seed), seenBy(reader, all))
    const listed = (yield* conflicts({ tenant, limit: 500 })).items
    return { digest: yield* stateDigest(tenant), conflicts: listed.map(({ losing, shown }) => [shown.event_id, losing.map(({ event_id }) => event_id)]).sort() }
  }).pipe(Effect.provide(database()), Effect.scoped)

const writeAll = (dice: Dice, size: number, withheld: boolean) => {
  const stamps: Array<Stamp> = []
  return Array.from({ length: size }, (_, id) => {
    const written = write(dice, id, stamps)
    stamps.push(stampOf(written.here.envelope))
    return withheld ? written : { ...written, withheld: false }
  })
}

describe("backends that read the same events", () => {
  it.effect.prop("have equal digests, though each keeps some writes to itself", [seed], ([seed]) =>
    Effect.gen(function*() {
      const dice = random(seed)
      const all = dice.shuffled(writeAll(dice, 25, true))
      const [first, second, third] = yield* Effect.all([readAs(0, all, seed + 1), readAs(1, all, seed + 2), readAs(2, all, seed + 3)])
      assert.strictEqual(second.digest, first.digest)
      assert.strictEqual(third.digest, first.digest)
    }), { arbitrary: { runs: 10 } })

  it.effect.prop("list the same conflicts when nothing is kept back", [seed], ([seed]) =>
    Effect.gen(function*() {
      const dice = random(seed)
      const all = dice.shuffled(writeAll(dice, 25, false))
      const [first, second] = yield* Effect.all([readAs(0, all, seed + 1), readAs(1, all, seed + 2)])
      assert.deepStrictEqual(second, first)
    }), { arbitrary: { runs: 10 } })

  it.effect("know both names of a conversation, and make one of two that were begun apart", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const fact = (content: string): Fact => ({ type: "message.appended", data: { message_id: "m", role: "user", content, timestamp: "" } })
      const mine = event(fact("mine"), { id: 1, source: sourceOf(0), lamport: 1, subject: "ann@example.org" })
      const theirs = event(fact("theirs"), { id: 2, source: sourceOf(1), lamport: 2, subject: "h_ann" })
      yield* projections.absorb({ cursor: "journal", epoch: "1", entries: [{ kind: "event", log: "journal", seq: 1, tenant, opened: mine, own: true }] })
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: [{ kind: "event", log: "log", seq: 1, tenant, opened: theirs, own: false }] })
      assert.deepStrictEqual({ ...yield* counts(tenant) }, { conversations: 2, messages: 2 })
      yield* projections.absorb({ cursor: "log", epoch: "1", entries: [{ kind: "echo", seq: 2, tenant, eventId: mine.envelope.id, shared: { conversation: "h_ann" } }] })
      assert.deepStrictEqual({ ...yield* counts(tenant) }, { conversations: 1, messages: 1 })
      for (const conversation of ["ann@example.org", "h_ann"]) {
        const found = yield* get({ tenant, conversation })
        assert.strictEqual(Option.getOrThrow(found).conversation_id, "ann@example.org")
      }
    }).pipe(Effect.provide(database())))
})
