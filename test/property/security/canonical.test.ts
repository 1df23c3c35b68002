// Goal: what we sign over is exactly RFC 8785 text, or a refusal.
// Method: the published input/output pairs, and random JSON values read back.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import { canonicalJson, NotCanonical, tryCanonicalJson } from "../../../src/security/canonical.ts"

const pairs = new URL("../../../../shared/data/crypto/jcs/", import.meta.url)
const missing = !existsSync(pairs)

describe.skipIf(missing)(`RFC 8785 pairs${missing ? " (skipped: ../shared/data missing)" : ""}`, () => {
  it("gives the published text and bytes of each pair", () => {
    const names = readdirSync(new URL("input/", pairs))
    assert.strictEqual(names.length, 6)
    for (const name of names) {
      const read = (folder: string, file: string) => readFileSync(new URL(`${folder}/${file}`, pairs), "utf8")
      const text = canonicalJson(JSON.parse(read("input", name)))
      assert.strictEqual(text, read("output", name).trimEnd(), name)
      const hex = read("outhex", name.replace(".json", ".txt")).replace(/\s+/g, "")
      assert.strictEqual(Buffer.from(text).toString("hex"), hex, name)
    }
  })
})

describe("canonicalJson", () => {
  it.prop("reads back as the same value, and its text is stable", [Schema.Json], ([value]) => {
    const text = tryCanonicalJson(value)
    // random strings hold lone surrogates at times: those have no canonical text
    if (Result.isFailure(text)) return !JSON.stringify(value).isWellFormed() || /\\ud[89a-f]/.test(JSON.stringify(value))
    assert.deepStrictEqual(JSON.parse(text.success), JSON.parse(JSON.stringify(value)))
    return canonicalJson(JSON.parse(text.success)) === text.success
  })

  it("orders members by UTF-16 units and leaves out what is undefined", () => {
    assert.strictEqual(canonicalJson({ b: 1, a: undefined, "\u{1F600}": 2, "\ufb33": 3, A: -0 }), `{"A":0,"b":1,"\u{1F600}":2,"\ufb33":3}`)
  })

  it("refuses what RFC 8785 has no text for", () => {
    const cycle: Record<string, unknown> = {}
    cycle["self"] = cycle
    for (const value of ["\ud800", { "\udfff": 1 }, Number.NaN, [Number.POSITIVE_INFINITY], 1n, undefined, cycle]) {
      const text = tryCanonicalJson(value)
      assert.isTrue(Result.isFailure(text) && text.failure instanceof NotCanonical)
      assert.throws(() => canonicalJson(value))
    }
  })
})
