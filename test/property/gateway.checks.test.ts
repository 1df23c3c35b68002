/**
 * Goal: the gateway's checks written by hand refuse exactly what the schemas of the events refuse.
 * Method: generated strings, and strings around every limit, judged by both.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { checkContent, checkId, checkName, checkTimestamp, checkTitle, type Check } from "../../src/gateway/checks.ts"
import { Surface } from "../../src/gateway/http/wire.ts"
import { Content, OutsideId, Role, Timestamp, Title } from "../../streams/events/fields.ts"
import { contentMaxBytes, idMaxBytes, nameMaxLength, titleMaxBytes } from "../../streams/limits.ts"

const pairs: ReadonlyArray<readonly [string, Check, Schema.Codec<string>, number]> = [
  ["id", checkId, OutsideId, idMaxBytes],
  ["content", checkContent, Content, contentMaxBytes],
  ["title", checkTitle, Title, titleMaxBytes],
  ["role", checkName, Role, nameMaxLength],
  ["timestamp", checkTimestamp, Timestamp, nameMaxLength]
]

/** One to four bytes of UTF-8, and half a character. */
const letters = ["a", "é", "漢", "😀", "\uD800", "\uDC00", "\u0000"]

const around = (limit: number): ReadonlyArray<string> =>
  letters.flatMap((letter) =>
    [1, 2, 3, 4].flatMap((bytes) =>
      [-2, -1, 0, 1, 2].map((more) => letter.repeat(Math.max(0, Math.floor(limit / bytes) + more)))))

describe("checks", () => {
  for (const [name, check, schema, limit] of pairs) {
    const is = Schema.is(schema)
    const same = (value: unknown) =>
      assert.strictEqual(check(value) === undefined, is(value), `${name}: ${JSON.stringify(value)?.slice(0, 80)}`)

    it(`${name}: at its limits, in every width of UTF-8`, () => {
      for (const text of around(limit)) {
        same(text)
        same(`${text}\uD800`)
        same(`é${text}`)
      }
    })

    it(`${name}: what is no string at all`, () => {
      for (const value of [undefined, null, 0, 1.5, true, [], {}, ["a"], { a: 1 }, ""]) same(value)
    })

    it.prop(`${name}: any text`, [Schema.String], ([text]) => {
      same(text)
      same(text.slice(0, -1) + letters[text.length % letters.length])
      return true
    }, { arbitrary: { runs: 300 } })
  }

  it("surface: everything its schema refuses, and half characters too", () => {
    const is = Schema.is(Surface)
    for (const text of around(nameMaxLength)) assert.strictEqual(checkName(text) === undefined, is(text) && text.isWellFormed())
  })
})
