// Goal: whatever the list is and wherever the reader is in it, every row in sight is in the page, and few others are.
// Method: lists of random runs and random places, compared with the rows laid out one by one.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Run, stepPixels, topOf, windowOf } from "../../../src/web/parts/rows.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const Runs = Schema.Array(Schema.Struct({ count: between(0, 300), height: between(20, 120) })).check(Schema.isMaxLength(4))

const laidOut = (runs: ReadonlyArray<Run>) => {
  const tops: Array<number> = []
  let top = 0
  for (const { count, height } of runs) {
    for (let n = 0; n < count; n++) {
      tops.push(top)
      top += height
    }
  }
  return [...tops, top]
}

describe("rows in the page", () => {
  it.prop("are those in sight, and a bounded number around them", [Runs, between(0, 40_000), between(0, 1200)], ([runs, scrolled, height]) => {
    const tops = laidOut(runs)
    const all = tops.length - 1
    tops.forEach((top, at) => assert.strictEqual(topOf(runs, at), top))
    // as a browser holds it
    const place = Math.max(0, Math.min(scrolled, tops[all]! - height))
    const [from, to] = windowOf(runs, Math.floor(place / stepPixels) * stepPixels, height)
    const inSight = tops.slice(0, all).flatMap((top, at) => tops[at + 1]! > place && top < place + height ? [at] : [])
    for (const at of inSight) assert.isTrue(from <= at && at < to, `row ${at} of ${from} to ${to}`)
    assert.isAtLeast(from, 0)
    assert.isAtMost(to, all)
    assert.isAtMost(to - from, (height + stepPixels) / 20 + 16)
  }, { arbitrary: { runs: 300 } })
})
