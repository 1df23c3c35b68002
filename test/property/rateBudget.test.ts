// Goal: no peer gets more than its limits in any minute however many processes serve it, none waits longer than told, and none pays for another.
// Method: random requests over random times through three processes that share one store; what was granted is counted over every window.
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { makeRateBudget, type RateBudget } from "../../src/hosted/RateBudget.ts"
import { KeyValueUnavailable, makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import type { LimitKind } from "../../streams/RateLimits.ts"
import { random } from "./projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const limits = { syncsPerMinute: 20, telemetryPerMinute: 200, backlogBytesPerMinute: 1000 }
const minute = 60_000

interface Granted {
  readonly at: number
  readonly amount: number
}
/** The most in any window of a minute: a full bucket, and what flows in meanwhile. */
const most = (granted: ReadonlyArray<Granted>): number =>
  Math.max(0, ...granted.map(({ at }) => granted.filter((other) => other.at >= at && other.at < at + minute).reduce((sum, { amount }) => sum + amount, 0)))

/** Processes that share one store. */
const processes = (count: number) =>
  Effect.map(makeMemoryKeyValue("RATES"), (store) => Array.from({ length: count }, () => makeRateBudget(store, limits)))

/** Draw until refused; how often it was granted, and the wait told then. */
const drain = Effect.fnUntraced(function*(budgets: ReadonlyArray<RateBudget>, kind: LimitKind, peer = "t.p", amount = 1) {
  for (let draws = 0;; draws++) {
    const drawn = yield* budgets[draws % budgets.length]!.draw(peer, kind, amount)
    if (!drawn.granted) return { granted: draws * amount, wait: drawn.retryAfterMillis }
  }
})

describe("the rate budget", () => {
  it.effect.prop("holds in every minute over all processes, and a refused request passes once it waited as told", [seed], ([seed]) =>
    Effect.gen(function*() {
      const dice = random(seed)
      const budgets = yield* processes(3)
      const granted: Record<LimitKind, Array<Granted>> = { syncs: [], telemetry: [], bytes: [] }
      for (let i = 0; i < 150; i++) {
        yield* TestClock.adjust(dice.chance(0.3) ? dice.below(8000) : dice.below(200))
        const kind = dice.pick(["syncs", "telemetry", "bytes"] as const)
        const amount = kind === "syncs" ? 1 : 1 + dice.below(kind === "bytes" ? 400 : 30)
        const first = yield* dice.pick(budgets).draw("t.p", kind, amount)
        if (!first.granted) {
          assert.isAtMost(first.retryAfterMillis, minute)
          yield* TestClock.adjust(first.retryAfterMillis)
          // by another process than the one that said so
          assert.isTrue((yield* dice.pick(budgets).draw("t.p", kind, amount)).granted, "told to wait long enough")
        }
        granted[kind].push({ at: yield* Clock.currentTimeMillis, amount })
      }
      assert.isAtMost(most(granted.syncs), 2 * limits.syncsPerMinute)
      assert.isAtMost(most(granted.telemetry), 2 * limits.telemetryPerMinute)
      assert.isAtMost(most(granted.bytes), 2 * limits.backlogBytesPerMinute)
    }), { arbitrary: { runs: 40 } })

  it.effect("three processes together grant a minute's worth, not three, and miss hardly any of it", () =>
    Effect.gen(function*() {
      const { granted, wait } = yield* drain(yield* processes(3), "telemetry")
      assert.isAtMost(granted, limits.telemetryPerMinute)
      // what the others hold ahead of use: a twentieth each
      assert.isAtLeast(granted, limits.telemetryPerMinute * 0.9)
      assert.isAtMost(wait, minute / limits.telemetryPerMinute)
    }))

  it.effect("a process alone grants all of it, in small requests and in ones larger than what it takes ahead", () =>
    Effect.gen(function*() {
      for (const amount of [1, 8, 20, 50, 100]) {
        assert.strictEqual((yield* drain(yield* processes(1), "telemetry", "t.p", amount)).granted, Math.floor(limits.telemetryPerMinute / amount) * amount, `${amount} at once`)
      }
    }))

  it.effect("gives a full minute's worth at once, then one at a time", () =>
    Effect.gen(function*() {
      const [budget] = yield* processes(1)
      const { granted, wait } = yield* drain([budget!], "syncs")
      assert.deepStrictEqual([granted, wait], [limits.syncsPerMinute, minute / limits.syncsPerMinute])
      yield* TestClock.adjust(wait)
      assert.strictEqual((yield* drain([budget!], "syncs")).granted, 1)
    }))

  it.effect("keeps peers apart, and chatter from backlogs", () =>
    Effect.gen(function*() {
      const budgets = yield* processes(2)
      yield* drain(budgets, "syncs", "t.loud")
      assert.isTrue((yield* budgets[0]!.draw("t.quiet", "syncs", 1)).granted)
      assert.isTrue((yield* budgets[0]!.draw("t.loud", "bytes", limits.backlogBytesPerMinute / 2)).granted)
    }))

  it.effect("lets one request through that is larger than a whole minute, from a full budget", () =>
    Effect.gen(function*() {
      const [budget] = yield* processes(1)
      assert.isTrue((yield* budget!.draw("t.p", "bytes", 50 * limits.backlogBytesPerMinute)).granted)
      assert.strictEqual((yield* budget!.draw("t.p", "bytes", 50 * limits.backlogBytesPerMinute)).retryAfterMillis, minute)
    }))

  it.effect("counts by itself while the hub's memory does not answer", () =>
    Effect.gen(function*() {
      const store = yield* makeMemoryKeyValue("RATES")
      const down = Effect.fail(new KeyValueUnavailable({ bucket: "RATES", cause: "down" }))
      const budget = makeRateBudget({ ...store, get: () => down, update: () => down }, limits)
      assert.strictEqual((yield* drain([budget], "syncs")).granted, limits.syncsPerMinute)
    }))
})
