// Goal: what a surface shows does not depend on the order in which it hears, and its events are the catalogue's.
// Method: random writes of several sources offered in random orders, through both sides, against the greatest stamp.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { dataschemaOf as inCatalogue } from "../../../streams/catalog.ts"
import { compare } from "../../../streams/compareStamps.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import { dataschemaOf } from "../../../src/sdk/typescript/commits.ts"
import { type Change, isHidden, type KnownConversation, type OwnEvent, visible, withChange, withOwn } from "../../../src/sdk/typescript/model.ts"
import { pauseAfter } from "../../../src/sdk/typescript/syncLoop.ts"

const stampOf = (lamport: number, who: number): Stamp => ({ lamport, time: "2026-11-22T10:00:00.000Z", source: `web_sha256_${String(who).repeat(64)}` })
const name = (id: string) => id

interface Write {
  readonly message: number
  readonly lamport: number
  readonly who: number
  readonly deleted: boolean
}

const changeOf = ({ deleted, lamport, message, who }: Write): Change => {
  const stamp = stampOf(lamport, who)
  return {
    conversation_id: "c", title: null, title_stamp: null, stamp, surfaces: ["web"],
    messages: [{ id: `m${message}`, surface: "web", stamp, place: stampOf(1 + message, 0), tier: "hosted", ...(deleted ? { deleted: true as const } : { role: "user", content: `${lamport}/${who}`, timestamp: stamp.time }) }]
  }
}

const writes = Schema.Array(Schema.Struct({
  message: Schema.Literals([0, 1, 2]), lamport: Schema.Literals([5, 6, 7, 8, 9]), who: Schema.Literals([1, 2, 3]), deleted: Schema.Boolean
}))

/** One source writes one thing at a lamport. */
const distinct = (all: ReadonlyArray<Write>) => [...new Map(all.map((write) => [`${write.lamport}/${write.who}`, write])).values()]
const told = (all: ReadonlyArray<Write>) => all.reduce<KnownConversation | undefined>((held, write) => withChange(held, changeOf(write), "hosted", name), undefined)
const readable = (held: KnownConversation) => visible(held).map(({ content, id }) => [id, content])

describe("what a surface shows", () => {
  it.prop("is the greatest stamp of each message, in whatever order it was heard, once or twice", [writes], ([given]) => {
    const all = distinct(given)
    if (all.length === 0) return
    const expected = [0, 1, 2].flatMap((message) => {
      const last = all.filter((write) => write.message === message).sort((a, b) => compare(stampOf(b.lamport, b.who), stampOf(a.lamport, a.who)))[0]
      return last === undefined || last.deleted ? [] : [[`m${message}`, `${last.lamport}/${last.who}`]]
    })
    for (const order of [all, all.toReversed(), [...all, ...all]]) assert.deepStrictEqual(readable(told(order)!), expected)
  })

  it("keeps the words as they were written here, and learns how far they have come", () => {
    const stamp = stampOf(5, 1)
    const own: OwnEvent = { seq: 1, id: "e", subject: "c", surface: "web", stamp, fact: { type: "message.appended", data: { message_id: "m0", role: "user", content: "write to ada@example.org", timestamp: "" } } }
    const held = withOwn(undefined, own, name)
    assert.deepStrictEqual(visible(held).map(({ content, reached }) => [content, reached]), [["write to ada@example.org", "here"]])
    const back = withChange(held, changeOf({ message: 0, lamport: 5, who: 1, deleted: false }), "hosted", name)
    assert.deepStrictEqual(visible(back).map(({ content, reached }) => [content, reached]), [["write to ada@example.org", "hosted"]])
  })

  it("a deletion hides a conversation until somebody writes again", () => {
    const said = told([{ message: 0, lamport: 5, who: 1, deleted: false }])!
    const deleted = withOwn(said, { seq: 1, id: "e", subject: "c", surface: "web", stamp: stampOf(6, 2), fact: { type: "conversation.deleted", data: {} } }, name)
    assert.isTrue(isHidden(deleted))
    assert.isFalse(isHidden(withChange(deleted, changeOf({ message: 1, lamport: 7, who: 3, deleted: false }), "local", name)))
  })
})

describe("its events", () => {
  it.each(["conversation.created", "conversation.renamed", "conversation.deleted", "message.appended", "message.edited", "message.deleted"] as const)("%s is of the catalogue's version", (type) =>
    assert.strictEqual(dataschemaOf(type), inCatalogue(type)))
})

describe("pauses", () => {
  it("are 1, 2, 4, 8, 16, then 30 seconds, each spread by a fifth", () => {
    assert.deepStrictEqual([0, 1, 2, 3, 4, 5, 50].map((tries) => Math.round(pauseAfter(tries, 0.5))), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
    assert.deepStrictEqual([pauseAfter(0, 0), pauseAfter(0, 1)].map(Math.round), [800, 1200])
  })
})
