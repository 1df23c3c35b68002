/**
 * Goal: every id there can be travels in a URL path and comes back unchanged.
 * Method: generated ids and dots through `segmentOf`, a URL parser, decoding and `idOf`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { idOf, segmentOf } from "../../streams/paths.ts"

const travels = (id: string) => {
  const { pathname } = new URL(`http://localhost/conversations/${segmentOf(id)}/messages`)
  const parts = pathname.split("/")
  assert.strictEqual(parts.length, 4, `${JSON.stringify(id)} became ${pathname}`)
  assert.strictEqual(idOf(decodeURIComponent(parts[2]!)), id)
}

describe("ids in paths", () => {
  it("dots, tildes, slashes, percent signs", () => {
    for (const id of [".", "..", "...", "~", "~.", "~..", "~~.", "~a", ".a", "/", "//", "../..", "%", "%2e", "%2E%2E", "%252e", ";", "?", "#", "+", " ", "\u0000", "😀"]) {
      travels(id)
    }
  })

  it.prop("any text", [Schema.NonEmptyString], ([id]) => {
    if (id.isWellFormed()) travels(id)
    return true
  }, { arbitrary: { runs: 500 } })
})
