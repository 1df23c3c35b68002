/**
 * Goal: an import writes what is missing, only that, and only what the event schemas allow.
 * Method: generated bodies planned against what is known; the drafts decoded by the catalog; everything planned again.
 */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { readImport } from "../../src/gateway/import/lines.ts"
import { batchEnd, type Known, type PlannedDraft, planImport, resolve } from "../../src/gateway/import/plan.ts"
import type { ImportLine } from "../../src/gateway/import/lines.ts"
import { decodeFact } from "../../streams/catalog.ts"
import type { Draft, Written } from "../../streams/Backend.ts"
import { commitEventsMax } from "../../streams/limits.ts"

const now = "2026-11-22T10:00:00.000Z"
const encoder = new TextEncoder()
const bodyOf = (...lines: ReadonlyArray<unknown>) => encoder.encode(lines.map((line) => JSON.stringify(line)).join("\n"))

/** Few ids, so that they meet; contents and fields as odd as they come. */
const AnyMessage = Schema.Struct({
  id: Schema.optionalKey(Schema.Literals(["a", "b", 1, 2])),
  role: Schema.Literals(["user", "assistant"]),
  content: Schema.String,
  timestamp: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
  surface: Schema.optionalKey(Schema.String)
})
const AnyLine = Schema.Struct({
  conversation_id: Schema.Literals(["x", "y"]),
  title: Schema.optionalKey(Schema.NullOr(Schema.String)),
  messages: Schema.Array(AnyMessage)
})

const stampOf = (index: number): Written => ({
  id: `e${index}`,
  position: index + 1,
  stamp: { lamport: index + 1, time: now, source: `local_sha256_${"0".repeat(64)}` }
})

/** Write a plan as the importer does; the stamps count up. */
const writeAll = (drafts: ReadonlyArray<PlannedDraft>) => {
  const written: Array<Written> = []
  const sent: Array<Draft> = []
  for (let start = 0; start < drafts.length;) {
    const end = batchEnd(drafts, start)
    assert.isAbove(end, start)
    assert.isAtMost(end - start, commitEventsMax)
    for (const draft of resolve(drafts, start, end, written)) {
      sent.push(draft)
      written.push(stampOf(written.length))
    }
    start = end
  }
  return sent
}

/** The least that behaves like the tables: the last write of each register. */
const makeStore = () => {
  const titles = new Map<string, string | null>()
  const messages = new Map<string, { readonly role: string; readonly content: string; readonly stamp: Written["stamp"] }>()
  const key = (conversation: string, id: string) => JSON.stringify([conversation, id])
  return {
    take: (drafts: ReadonlyArray<Draft>) =>
      drafts.forEach(({ fact, subject }, i) => {
        titles.set(subject, (fact.type.startsWith("conversation.") && "title" in fact.data ? fact.data.title as string : undefined) ?? titles.get(subject) ?? null)
        if (fact.type === "message.appended" || fact.type === "message.edited") {
          messages.set(key(subject, fact.data.message_id), { ...fact.data, stamp: stampOf(i).stamp })
        }
      }),
    known: (lines: ReadonlyArray<ImportLine>): Known => ({
      heads: new Map([...titles].map(([id, title]) => [id, { version: 1, title, hidden: false }] as const)),
      messages: lines.flatMap((line) =>
        line.messages.map((message) => {
          const there = messages.get(key(line.conversation, message.id))
          if (there === undefined) return { state: "absent", base: null } as const
          return { state: there.role === message.role && there.content === message.content ? "same" : "different", base: there.stamp } as const
        }))
    })
  }
}

const nothing: Known["messages"][number] = { state: "absent", base: null }
const head = { version: 1, title: "old", hidden: false }

describe("import", () => {
  it.prop("drafts pass their schemas; what was written is there and plans nothing", [Schema.Array(AnyLine)], ([given]) => {
    const { lines } = readImport(bodyOf(...given), now)
    const store = makeStore()
    const plan = planImport(lines, store.known(lines), { surface: "import" })
    const sent = writeAll(plan.drafts)
    assert.strictEqual(sent.length, plan.drafts.length)
    assert.strictEqual(plan.messages, lines.reduce((sum, line) => sum + line.messages.length, 0))
    for (const { fact } of sent) assert.isTrue(Result.isSuccess(decodeFact(fact.type, 1, fact.data)))
    store.take(sent)
    // once more, with what the body said last under every id
    const last = lines.filter((line, i) => lines.findLastIndex(({ conversation }) => conversation === line.conversation) === i).map((line) => ({
      conversation: line.conversation,
      title: lines.findLast(({ conversation, title }) => conversation === line.conversation && title !== undefined)?.title,
      messages: [...new Map(lines.filter(({ conversation }) => conversation === line.conversation).flatMap(({ messages }) => messages).map((message) => [message.id, message] as const)).values()]
    }))
    assert.deepStrictEqual(planImport(last, store.known(last), { surface: "import" }).drafts, [])
    return true
  }, { arbitrary: { runs: 300 } })

  it("an id twice in one body becomes an edit that knows the first stamp", () => {
    const { lines } = readImport(bodyOf({ conversation_id: "c", messages: [{ id: 1, role: "user", text: "a" }, { id: "1", role: "user", text: "b" }] }), now)
    const plan = planImport(lines, { heads: new Map(), messages: [nothing, nothing] }, { surface: "import" })
    assert.strictEqual(batchEnd(plan.drafts, 0), 1)
    const [first, second] = writeAll(plan.drafts)
    assert.strictEqual(first!.fact.type, "message.appended")
    assert.deepStrictEqual(second!.fact, {
      type: "message.edited",
      data: { message_id: "1", role: "user", content: "b", timestamp: now, base: stampOf(0).stamp }
    })
  })

  it("what is there decides: equal is nothing, other content and deleted are edits, a new title renames", () => {
    const base = stampOf(7).stamp
    const message = (id: string) => ({ id, role: "user", content: "a" })
    const { lines } = readImport(bodyOf({ conversation_id: "c", title: "new", messages: ["same", "other", "gone", "fresh"].map(message) }), now)
    const plan = planImport(lines, {
      heads: new Map([["c", head]]),
      messages: [{ state: "same", base }, { state: "different", base }, { state: "deleted", base }, nothing]
    }, { surface: "import" })
    assert.deepStrictEqual(plan.drafts.map(({ draft }) => draft.fact.type), ["conversation.renamed", "message.edited", "message.edited", "message.appended"])
    assert.strictEqual(plan.unchanged, 1)
    for (const { draft: { fact } } of plan.drafts.slice(1, 3)) assert.deepStrictEqual(fact.type === "message.edited" && fact.data.base, base)
  })

  it("a deleted conversation comes back", () => {
    const { lines } = readImport(bodyOf({ conversation_id: "c", messages: [] }), now)
    const plan = planImport(lines, { heads: new Map([["c", { ...head, hidden: true }]]), messages: [] }, { surface: "import" })
    assert.deepStrictEqual(plan.drafts.map(({ draft }) => draft.fact.type), ["conversation.created"])
  })

  it("bad lines are named, the others go in", () => {
    const body = Buffer.concat([
      Buffer.from(`{"conversation_id":"c","messages":[]}\n\n{"conversation_id":"","messages":[]}\r\nnonsense\n`),
      Buffer.from([0xff, 0x0a]),
      Buffer.from(`{"conversation_id":"c","messages":[{"role":"user","content":"\\ud800"}]}\n`),
      Buffer.from(`{"conversation_id":"d","title":null,"messages":[{"author":"user","text":"","ts":1763800000}]}`)
    ])
    const { invalid, lines } = readImport(body, now)
    assert.deepStrictEqual(lines.map((line) => line.conversation), ["c", "d"])
    assert.deepStrictEqual(lines[1]!.messages[0], { id: "i0", role: "user", content: "", timestamp: "2025-11-22T08:26:40.000Z", surface: undefined })
    assert.deepStrictEqual(invalid.map(({ line }) => line), [3, 4, 5, 6])
    assert.match(invalid[3]!.why, /messages\[0\]\.content has a lone surrogate/)
  })
})
