// Goal: redaction looks at the lines of a text that may hold something, and finds exactly what it would find in the text as a whole.
// Method: both ways over texts made of what it looks for, over characters of every kind, and over every text of the data.
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { redact, redactWhole } from "../../../src/privacy/redact.ts"
import { dataUrl } from "../../bench/privacy.ts"
import { textOf } from "./texts.ts"

const regions = [undefined, "DE"] as const
const same = (text: string) => {
  for (const defaultRegion of regions) assert.deepStrictEqual(redact(text, { defaultRegion }), redactWhole(text, { defaultRegion }), JSON.stringify(text))
}

/** What stands between lines, and may or may not end one. */
const ends = ["\n", "\n\n", "\r\n", ":\n", ": \n", ":\n\n \r\n", ":    \n", ":     \n", ":\u200b\n", "\uff1a\n", "\u200b\u200b\u200b\u200b\u200b\u200b\n", "\0\n", ":\0\n", ".\n", "\u2028", "\u00a0\n", " \n.\n "]
const Piece = Schema.Union([
  Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 })),
  Schema.Literals(ends),
  Schema.Literals(["Phone", "call", "ssn", "id", "5551234567", "2125551234", "2125551234", "+98 9601", "12 34 56", "phone 555) - 1234", "1-2-3-4-5-6", "1,23456", "john at gmail.com", "at the moment", "mail john at corp dot example", "x at [1.2.3.4]", "é", "—", "\u200b"])
])

const hasData = existsSync(dataUrl)

describe("looking at lines that may hold something", () => {
  it("is looking at the whole", () => {
    for (let seed = 0; seed < 3000; seed++) same(textOf(seed))
  })

  it.prop("is looking at the whole, over lines of every kind", [Schema.Array(Piece).check(Schema.isMaxLength(12))], ([pieces]) =>
    same(pieces.map((piece) => typeof piece === "number" ? textOf(piece) : piece).join("")), { arbitrary: { runs: 2000 } })

  it.prop("is looking at the whole, over any characters", [Schema.Array(Schema.Union([Schema.String, Schema.Literals(["\n", " at ", "@", "5", "55", "555-", "\uff15", "."])])).check(Schema.isMaxLength(20))], ([parts]) => same(parts.join("")), { arbitrary: { runs: 1000 } })

  it.skipIf(!hasData)(`is looking at the whole, in every text there is, one by one and all together${hasData ? "" : " (skipped: ../shared/data missing)"}`, () => {
    let texts = 0
    for (const file of readdirSync(dataUrl).filter((name) => name.endsWith(".jsonl"))) {
      const lines = readFileSync(new URL(file, dataUrl), "utf8").trimEnd().split("\n")
      const all = lines.flatMap((line) => {
        const { text } = JSON.parse(line) as { readonly text?: unknown }
        return typeof text === "string" ? [text] : []
      })
      all.forEach(same)
      same(all.join("\n"))
      same(lines.join("\n"))
      texts += all.length
    }
    assert.isAbove(texts, 5000)
  })
})
