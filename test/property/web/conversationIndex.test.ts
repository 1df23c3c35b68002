// Goal: the list never goes back to what it was, and holds what happened while it was being read.
// Method: a backend that answers when it is told to.
import { assert, describe, it } from "@effect/vitest"
import type { ConversationSummary, Page } from "../../../src/sdk/typescript/owner/index.ts"
import { ConversationIndex } from "../../../src/web/local/conversations/ConversationIndex.ts"

const line = (version: number): ConversationSummary =>
  ({ conversation_id: "c", title: null, version, message_count: version, last_modified: "2026-11-22T10:20:30Z", source_backend: "local", source_backend_id: "p", surfaces: [] })

/** What is asked for is answered by `answer`, the oldest first. */
const slow = () => {
  const asked: Array<(page: Page<ConversationSummary>) => void> = []
  const index = new ConversationIndex({ list: () => new Promise((resolve) => void asked.push(resolve)) })
  const answer = async (count: number) => {
    asked.shift()!({ items: [line(count)], next: null })
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return { index, asked, answer, counts: () => index.listed().items.map(({ message_count }) => message_count) }
}

describe("the list of conversations", () => {
  it("reads once at a time, and again after what happened meanwhile", async () => {
    const { answer, asked, counts, index } = slow()
    void index.load()
    void index.refresh(["message.created"])
    assert.strictEqual(asked.length, 1)
    await answer(1)
    void index.refresh(["message.created"])
    void index.refresh(["message.deleted"])
    assert.strictEqual(asked.length, 1)
    await answer(2)
    assert.deepStrictEqual([counts(), asked.length], [[2], 1])
    await answer(3)
    assert.deepStrictEqual([counts(), asked.length], [[3], 0])
  })

  it("read again as a whole, it hears of what happens then, and of no answer to what was asked before", async () => {
    const { answer, asked, counts, index } = slow()
    void index.load()
    await answer(1)
    void index.refresh(["message.created"])
    void index.load()
    void index.refresh(["message.created"])
    await answer(2)
    assert.deepStrictEqual([counts(), asked.length], [[1], 1])
    await answer(3)
    assert.deepStrictEqual([counts(), asked.length], [[3], 1])
    await answer(4)
    assert.deepStrictEqual([counts(), asked.length], [[4], 0])
  })
})
