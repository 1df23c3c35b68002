// Goal: how long the oldest thing has waited is told from a few marks, never too old, and hardly too young.
// Method: a random end and a random reader, compared with the true age of every event; the tally by its table.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SyncTally, weighs } from "../../../streams/SyncTally.ts"
import { Waits } from "../../../streams/Waits.ts"

const Step = Schema.Struct({ wrote: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })), took: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5 })) })

describe("waits", () => {
  it.prop("tell the age of the oldest that was not passed", [Schema.Array(Step)], ([steps]) => {
    const waits = new Waits()
    const born: Array<number> = []
    let passed = 0
    steps.forEach(({ took, wrote }, i) => {
      const now = i * 1000
      for (let n = 0; n < wrote; n++) born.push(now)
      passed = Math.min(born.length, passed + took)
      waits.look(now, born.length, passed)
      const oldest = born[passed]
      const truth = oldest === undefined ? 0 : now - oldest
      assert.isAtMost(waits.age(now), truth)
      if (i <= 256) assert.strictEqual(waits.age(now), truth)
    })
  })

  it("stay few, and nearly right, through years", () => {
    const waits = new Waits()
    for (let i = 1; i <= 100_000; i++) waits.look(i * 1000, i, 0)
    assert.strictEqual(waits.age(100_001_000), 100_000_000)
    waits.look(100_001_000, 100_000, 50_000)
    const truth = 50_000_000
    assert.isAtMost(waits.age(100_001_000), truth)
    assert.isAtLeast(waits.age(100_001_000), truth * 0.9)
  })

  it("begin anew with another log", () => {
    const waits = new Waits()
    waits.look(1000, 10, 5)
    waits.look(9000, 3, 0)
    assert.strictEqual(waits.age(9000), 0)
  })
})

describe("the tally", () => {
  it("counts every outcome as its table says, of the last quarter of an hour", () => {
    for (const [outcome, weight] of Object.entries(weighs)) {
      const tally = new SyncTally()
      tally.record(0, "committed")
      tally.record(0, outcome as keyof typeof weighs)
      assert.strictEqual(tally.rate(1), weight === "failure" ? 0.5 : 1, outcome)
      assert.strictEqual(tally.errors.length, weight === "failure" ? 1 : 0)
      assert.strictEqual(tally.rate(16 * 60_000), 1)
    }
    assert.isAtLeast(Object.keys(weighs).length, 12)
  })

  it("counts silence once for thirty seconds of it, whoever was silent, until somebody answers", () => {
    const tally = new SyncTally()
    const seconds = (...at: ReadonlyArray<number>) => at.map((second, i) => tally.record(second * 1000, i % 2 === 0 ? "timed_out" : "no_responders"))
    assert.deepStrictEqual(seconds(0, 3, 7, 13, 29.9, 30, 59.9, 61), ["failure", "neither", "neither", "neither", "neither", "failure", "neither", "failure"])
    assert.strictEqual(tally.record(62_000, "busy"), "failure")
    assert.deepStrictEqual(seconds(63, 64), ["failure", "neither"])
    assert.strictEqual(tally.tries(64_000), 5)
    // an hour of it is enough for the alert, which wants ten in a quarter of an hour
    seconds(...Array.from({ length: 120 }, (_, i) => 100 + 30 * i))
    assert.isAtLeast(tally.tries(3_670_000), 29)
    assert.strictEqual(tally.rate(3_670_000), 0)
  })

  it("stays small", () => {
    const tally = new SyncTally()
    for (let i = 0; i < 10_000; i++) tally.record(i, "busy", `event ${i}`)
    assert.strictEqual(tally.errors.length, 10)
    assert.strictEqual(tally.errors[0]!.what, "busy: event 9999")
    assert.isAtMost(tally.tries(10_000), 500)
  })
})
