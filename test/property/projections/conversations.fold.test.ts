// Goal: the fold is a function of which entries there are, not of their order, number or grouping; its rules are those of GLOSSARY.md, Order and conflict.
// Method: plain examples say which rules; random histories, shuffled and repeated, say that order does not matter.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import type { Entry } from "../../../projections/Entry.ts"
import { apply, empty } from "../../../projections/conversations/apply.ts"
import { contested } from "../../../projections/conversations/conflicts.ts"
import { later } from "../../../projections/conversations/registers.ts"
import { view } from "../../../projections/conversations/view.ts"
import { packTime, unpackTime } from "../../../projections/packedTime.ts"
import type { Fact } from "../../../streams/catalog.ts"
import { type Opened, stampOf } from "../../../streams/Envelope.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { expected, foldAll } from "./expected.ts"
import { history } from "./histories.ts"
import { appended, event, fromLog, random, sourceOf } from "./rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))

const edited = (message_id: string, content: string, base?: Opened): Fact => ({
  type: "message.edited",
  data: { message_id, role: "user", content, timestamp: "", ...(base === undefined ? {} : { base: stampOf(base.envelope) }) }
})
const deleted = (message_id: string): Fact => ({ type: "message.deleted", data: { message_id } })
const hidden: Fact = { type: "conversation.deleted", data: {} }

let ids = 0
const by = (who: number, lamport: number, fact: Fact): Opened => event(fact, { id: ids++, source: sourceOf(who), lamport, subject: "c" })
const read = (...events: ReadonlyArray<Opened>) => view(foldAll(events.map((opened, i): Entry => fromLog(i + 1, opened)))).get("c")!
const texts = (...events: ReadonlyArray<Opened>) =>
  read(...events).messages.filter((message) => !message.deleted).map(({ shown: { fact } }) => "content" in fact.data ? fact.data.content : "")
const conflicts = (...events: ReadonlyArray<Opened>) => read(...events).messages.flatMap((message) => [...message.contested]).sort()
const idsOf = (...events: ReadonlyArray<Opened>) => events.map(({ envelope }) => envelope.id).sort()

describe("the conversation fold", () => {
  it.prop("does not depend on the order, number or grouping of entries", [seed, seed], ([seed, shuffle]) => {
    const { journal, log } = history(seed, { size: 20, odd: true, expires: true })
    const entries = [...journal, ...log]
    const again = random(shuffle).shuffled([...entries, ...entries])
    assert.deepStrictEqual(expected(foldAll(again), 5), expected(foldAll(entries), 5))
  }, { arbitrary: { runs: 150 } })

  it("lets the greater stamp show, whichever came first", () => {
    const first = by(1, 1, appended("m", "first")), second = by(2, 2, edited("m", "second", first))
    assert.deepStrictEqual(texts(first, second), ["second"])
    assert.deepStrictEqual(texts(second, first), ["second"])
  })

  it("takes a deletion for a write, which a later write revives", () => {
    const first = by(1, 1, appended("m", "first")), gone = by(1, 2, deleted("m")), back = by(2, 3, edited("m", "back", gone))
    assert.deepStrictEqual(texts(first, gone), [])
    assert.deepStrictEqual(texts(first, gone, back), ["back"])
  })

  it("hides a conversation while its deletion is the greatest stamp in it", () => {
    const first = by(1, 1, appended("m", "first")), gone = by(2, 2, hidden)
    assert.isTrue(read(first, gone).hidden)
    assert.isFalse(read(first, gone, by(1, 3, appended("n", "after"))).hidden)
    assert.isTrue(read(by(1, 1, appended("n", "before")), gone).hidden)
  })

  it("orders messages by their first append, or by their first write where no append is known", () => {
    const late = by(1, 5, appended("a", "late")), early = by(2, 3, appended("z", "early"))
    assert.deepStrictEqual(texts(late, early), ["early", "late"])
    assert.deepStrictEqual(texts(late, early, by(2, 9, edited("z", "edited", early))), ["edited", "late"])
    assert.deepStrictEqual(texts(late, by(2, 9, edited("b", "x")), by(2, 4, edited("b", "y"))), ["x", "late"])
    assert.deepStrictEqual(texts(late, by(2, 4, edited("b", "y")), by(1, 6, appended("b", "x"))), ["late", "x"])
  })

  it("lists concurrent writes until one that saw both", () => {
    const first = by(1, 1, appended("m", "first"))
    const here = by(1, 2, edited("m", "here", first)), there = by(2, 3, edited("m", "there", first))
    assert.deepStrictEqual(conflicts(first, here), [])
    assert.deepStrictEqual(conflicts(first, here, there), idsOf(here, there))
    assert.deepStrictEqual(conflicts(first, here, there, by(1, 4, edited("m", "both", there))), [])
    const blind = by(1, 4, edited("m", "saw only here", here))
    assert.deepStrictEqual(conflicts(first, here, there, blind), idsOf(here, there, blind))
  })

  it("does not call it a conflict to write the same, or to write twice", () => {
    const first = by(1, 1, appended("m", "first"))
    assert.deepStrictEqual(conflicts(first, by(2, 2, appended("m", "first"))), [])
    assert.deepStrictEqual(conflicts(first, by(1, 2, edited("m", "again"))), [])
    assert.lengthOf(conflicts(first, by(2, 2, edited("m", "blindly"))), 2)
  })

  it("does not believe a base that is not below its own write", () => {
    const first = by(1, 1, appended("m", "first"))
    const data = { message_id: "m", role: "user", content: "liar", timestamp: "", base: { ...stampOf(first.envelope), lamport: 2 ** 48 } }
    assert.lengthOf(conflicts(first, by(2, 2, { type: "message.edited", data })), 2)
  })

  it("keeps the greatest lamport through an erasure, and nothing else", () => {
    const state = foldAll([fromLog(1, by(1, 7, appended("m", "x"))), fromLog(2, by(3, 2, { type: "tenant.erased", data: { erased_at: "2026-11-22T10:00:00.000Z", before_seq: 2 } }))])
    assert.strictEqual(state.lamport, 7)
    assert.strictEqual(view(state).size, 0)
    assert.strictEqual(apply(empty, fromLog(3, by(1, 8, appended("m", "y")))).lamport, 8)
  })
})

describe("what the tables use instead of the whole history", () => {
  it.prop("finds the same conflicts when writes come one by one and the settled ones are never looked at again", [seed], ([seed]) => {
    const { log } = history(seed, { size: 30, odd: true, expires: false })
    for (const message of [...view(foldAll(log)).values()].flatMap(({ messages }) => messages)) {
      const writes = message.history.map((write, i) => ({ ...write, ref: i + 1, kind: 0 }))
      const settled = writes.reduce<Stamp | undefined>((held, { base }) => later(held, base), undefined)
      const refs = [...contested(writes, settled).keys()].map((ref) => writes[ref - 1]!.eventId)
      assert.deepStrictEqual(new Set(refs), new Set(message.contested))
    }
  })

  it("packs times in their order and gives them back", () => {
    const times = ["0000-01-01T00:00:00.000Z", "1999-12-31T23:59:59.999Z", "2026-02-28T23:59:59.999Z", "2026-02-31T00:00:00.000Z", "2026-11-22T10:00:00.001Z", "9999-12-31T23:59:59.999Z"]
    const packed = times.map(packTime)
    assert.deepStrictEqual(packed.map(unpackTime), times)
    assert.deepStrictEqual([...packed].sort((a, b) => a - b), packed)
    assert.isTrue(packed.every(Number.isSafeInteger))
  })
})
