// Goal: limits hold at their edge and fit into each other, so that what one stage takes the next can carry.
// Method: arithmetic over the constants; texts one byte on either side of each bound, in one- to four-byte letters.
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { decodeFact } from "../../../streams/catalog.ts"
import { streams } from "../../../streams/definitions.ts"
import * as fields from "../../../streams/events/fields.ts"
import * as limits from "../../../streams/limits.ts"

/** Letters of one, two, three and four bytes of UTF-8. */
const letters = ["a", "é", "€", "😀"]
const bytes = (text: string) => Buffer.byteLength(text)
/** A text of exactly `size` bytes: as many of `letter` as fit, then one-byte letters. */
const ofSize = (letter: string, size: number) => {
  const whole = letter.repeat(Math.floor(size / bytes(letter)))
  return whole + "a".repeat(size - bytes(whole))
}

describe("limits", () => {
  it("fit into each other", () => {
    // JSON may double a byte (quotes, backslashes) and sealing adds a third (base64url) to that
    const sealed = limits.contentMaxBytes * 2 * 4 / 3
    assert.isBelow(sealed, limits.commitMaxBytes, "the largest ordinary message fits in a commit")
    assert.isBelow(limits.contentMaxBytes * 6 * 4 / 3, limits.payloadMaxBytes, "a message of control characters goes alone")
    assert.isBelow(limits.commitMaxBytes, limits.payloadMaxBytes, "a commit and its framing fit in one request")
    assert.isAtMost(limits.contentMaxBytes * 6, limits.bodyMaxBytes, "a message of control characters fits in a body")
    assert.strictEqual(limits.commitEventsMax + 1, limits.batchMessagesMax, "a commit and its record are one batch")
    assert.isAtLeast(limits.ingestWaitingMaxBytes, limits.payloadMaxBytes)
    assert.isTrue(Number.isSafeInteger(limits.lamportMax + limits.lamportJumpMax))
    assert.isBelow(limits.lamportJumpMax, limits.lamportMax)
  })

  it("are the streams' too", () => {
    const rows = Object.values(streams)
    assert.isAtLeast(rows.length, 6)
    for (const row of rows) {
      assert.isAbove(row.sizeMaxBytes, 0, row.name)
      assert.isAtLeast(row.sizeMaxBytes, row.messageMaxBytes, row.name)
      assert.isAbove(row.why.length, 20, row.name)
    }
    assert.strictEqual(new Set(rows.map((row) => row.name)).size, rows.length)
  })

  const bounded = [
    ["content", fields.Content, limits.contentMaxBytes],
    ["title", fields.Title, limits.titleMaxBytes],
    ["id", fields.OutsideId, limits.idMaxBytes]
  ] as const
  for (const [name, schema, limit] of bounded) {
    it.each(letters)(`let ${name} be ${limit} bytes of %s and no more`, (letter) => {
      const is = Schema.is(schema)
      const most = ofSize(letter, limit)
      assert.strictEqual(bytes(most), limit)
      assert.isTrue(is(most))
      assert.isFalse(is(`${most}a`))
      assert.isFalse(is(`a${most}`))
    })
  }

  it("let content and title be empty, an id not", () => {
    assert.isTrue(Schema.is(fields.Content)(""))
    assert.isTrue(Schema.is(fields.Title)(""))
    assert.isFalse(Schema.is(fields.OutsideId)(""))
    assert.isFalse(Schema.is(fields.Role)(""))
  })

  it.prop("refuse exactly the texts UTF-8 cannot carry", [Schema.String], ([text]) => {
    const carried = new TextDecoder().decode(new TextEncoder().encode(text)) === text
    assert.strictEqual(Schema.is(fields.Content)(text), carried)
    for (const broken of [`${text}\ud800`, `\udc00${text}`]) assert.isFalse(Schema.is(fields.Content)(broken))
  })

  it("are named without repeating what was refused", () => {
    const secret = "a secret nobody may find in an error "
    const refused = decodeFact("message.appended", 1, {
      message_id: "m1", role: "user", timestamp: "now", content: secret + "a".repeat(limits.contentMaxBytes * limits.redactionGrowthMax)
    })
    assert.isTrue(Result.isFailure(refused))
    assert.notInclude(JSON.stringify(refused), "secret")
    assert.include(JSON.stringify(refused), String(limits.contentMaxBytes * limits.redactionGrowthMax))
  })
})
