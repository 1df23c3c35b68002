// Goal: no peer gets more than its limits in any minute, none waits longer than told, and none pays for another.
// Method: random requests over random times; what was granted is counted over every window.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { makeRateBudget } from "../../src/hosted/RateBudget.ts"
import { random } from "./projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const limits = { syncsPerMinute: 20, backlogBytesPerMinute: 1000 }
const minute = 60_000

interface Granted {
  readonly at: number
  readonly amount: number
}
/** The most in any window of a minute: a full bucket, and what flows in meanwhile. */
const most = (granted: ReadonlyArray<Granted>): number =>
  Math.max(0, ...granted.map(({ at }) => granted.filter((other) => other.at >= at && other.at < at + minute).reduce((sum, { amount }) => sum + amount, 0)))

describe("the rate budget", () => {
  it.effect.prop("holds in every minute, and a refused request passes once it waited as told", [seed], ([seed]) =>
    Effect.sync(() => {
      const dice = random(seed)
      const draw = makeRateBudget(limits)
      const syncs: Array<Granted> = []
      const bytes: Array<Granted> = []
      let now = 1_000_000
      for (let i = 0; i < 300; i++) {
        now += dice.chance(0.3) ? dice.below(8000) : dice.below(200)
        const backlog = dice.chance(0.4)
        const size = 1 + dice.below(400)
        const wait = draw("p", size, backlog, now)
        if (wait > 0) {
          assert.isAtMost(wait, minute)
          now += wait
          assert.strictEqual(draw("p", size, backlog, now), 0, "told to wait long enough")
        }
        if (backlog) bytes.push({ at: now, amount: size })
        else syncs.push({ at: now, amount: 1 })
      }
      assert.isAtMost(most(syncs), 2 * limits.syncsPerMinute)
      assert.isAtMost(most(bytes), 2 * limits.backlogBytesPerMinute)
    }), { arbitrary: { runs: 100 } })

  it("gives a full minute's worth at once, then one at a time", () => {
    const draw = makeRateBudget(limits)
    for (let i = 0; i < limits.syncsPerMinute; i++) assert.strictEqual(draw("p", 1, false, 0), 0)
    assert.strictEqual(draw("p", 1, false, 0), minute / limits.syncsPerMinute)
    assert.strictEqual(draw("p", 1, false, minute / limits.syncsPerMinute), 0)
    assert.isAbove(draw("p", 1, false, minute / limits.syncsPerMinute), 0)
  })

  it("keeps peers apart, and chatter from backlogs", () => {
    const draw = makeRateBudget(limits)
    for (let i = 0; i < limits.syncsPerMinute; i++) draw("loud", 1, false, 0)
    assert.isAbove(draw("loud", 1, false, 0), 0)
    assert.strictEqual(draw("quiet", 1, false, 0), 0)
    assert.strictEqual(draw("loud", limits.backlogBytesPerMinute, true, 0), 0)
  })

  it("lets one request through that is larger than a whole minute, from a full budget", () => {
    const draw = makeRateBudget(limits)
    assert.strictEqual(draw("p", 50 * limits.backlogBytesPerMinute, true, 0), 0)
    assert.strictEqual(draw("p", 50 * limits.backlogBytesPerMinute, true, 0), minute)
  })
})
