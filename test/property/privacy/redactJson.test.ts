// Goal: nothing personal leaves in metadata, however deep, in keys or as numbers, and the rest is as it was.
// Method: values by hand, hostile nesting, and random texts planted at random depth.
import { assert, describe, it } from "@effect/vitest"
import { type Json, redactJson } from "../../../src/privacy/redactJson.ts"
import { textOf } from "./texts.ts"

describe("redactJson", () => {
  it("hides strings, keys and numbers, reading values with their keys", () => {
    const { changed, value } = redactJson({
      model: "gpt-5.4",
      latency_ms: 12.25,
      time: 1755099880,
      bytes_used: 123456789,
      user: { "john@example.com": true, "jane@example.com": 1, homePhone: "4673395", mobile: 5551234567, order_id: "5551234567", card: 4111111111111111, ssn: 123456789 },
      notes: ["call 555-123-4567", ["ssn 078-05-1120", null, { deep: ["a@b.co"] }]],
      phones: ["4673395", 4673396]
    })
    assert.isTrue(changed)
    assert.deepStrictEqual(value, {
      model: "gpt-5.4",
      latency_ms: 12.25,
      time: 1755099880,
      bytes_used: 123456789,
      user: {
        "[REDACTED_EMAIL]": true,
        "[REDACTED_EMAIL] 2": 1,
        homePhone: "[REDACTED_PHONE]",
        mobile: "[REDACTED_PHONE]",
        order_id: "5551234567",
        card: "[REDACTED_CREDIT_CARD]",
        ssn: "[REDACTED_SSN]"
      },
      notes: ["call [REDACTED_PHONE]", ["ssn [REDACTED_SSN]", null, { deep: ["[REDACTED_EMAIL]"] }]],
      phones: ["[REDACTED_PHONE]", "[REDACTED_PHONE]"]
    })
  })
  it("returns what it was given when there is nothing to hide", () => {
    const given: Json = { a: [1, 2, { b: "text", c: null }], event: "repo", user_id: "c42c4e6b-f054-44d7-ae1f-6726cc41da88", time: 1766083233 }
    assert.strictEqual(redactJson(given).value, given)
    for (const leaf of [null, true, 7, "text", []] as const) assert.strictEqual(redactJson(leaf).value, leaf)
  })
  it("keeps a key called __proto__ a key", () => {
    const given = JSON.parse("{\"__proto__\":{\"mail\":\"a@b.co\"}}") as Json
    assert.strictEqual(JSON.stringify(redactJson(given).value), "{\"__proto__\":{\"mail\":\"[REDACTED_EMAIL]\"}}")
  })
  it("does not run out of stack, nor of time on keys that become equal", () => {
    let deep: Json = "a@b.co"
    for (let depth = 0; depth < 200_000; depth++) deep = depth % 2 === 0 ? [deep] : { next: deep }
    assert.isTrue(redactJson(deep).changed)
    const wide = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`user${i}@example.com`, i]))
    assert.strictEqual(Object.keys(redactJson(wide).value as object).length, 50_000)
  })
  it("changes nothing the second time", () => {
    let changes = 0
    for (let seed = 1; seed <= 4000; seed++) {
      const given: Json = { [textOf(seed)]: [textOf(seed + 1), { phone: textOf(seed + 2), [textOf(seed + 3)]: textOf(seed + 4) }] }
      const once = redactJson(given)
      assert.deepStrictEqual(redactJson(once.value).value, once.value, JSON.stringify(given))
      if (once.changed) changes++
    }
    assert.isAbove(changes, 1000)
  })
})
