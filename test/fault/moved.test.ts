// Goal: a hub that moved while a machine was away is found by registering again; nobody is asked for nothing, or while paused.
// Method: the link as a cell, whether the hosted side answers as another, hours of the virtual clock.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, SubscriptionRef } from "effect"
import { TestClock } from "effect/testing"
import { watchMoved } from "../../src/local/moved.ts"
import { makeState } from "../../src/local/State.ts"

const rig = Effect.fnUntraced(function*() {
  const link = yield* SubscriptionRef.make({ up: true, since: 0 })
  const state = yield* makeState(link, Option.none(), false, 0)
  const hosted = { answers: false, asked: 0 }
  const answers = Effect.sync(() => {
    hosted.asked++
    return hosted.answers
  })
  yield* Effect.forkScoped(watchMoved({ state, answers }))
  const is = (up: boolean) => Effect.andThen(SubscriptionRef.set(link, { up, since: 0 }), TestClock.adjust(0))
  return { hosted, is, state, wanted: () => SubscriptionRef.getUnsafe(state.renewalWanted) }
})

describe("a link that stays down", () => {
  it.effect("has the machine register again as soon as the hosted side answers over HTTP", () =>
    Effect.gen(function*() {
      const { hosted, is, wanted } = yield* rig()
      yield* is(false)
      yield* TestClock.adjust("5 minutes")
      assert.isAbove(hosted.asked, 1)
      assert.strictEqual(wanted(), 0)
      hosted.answers = true
      yield* TestClock.adjust("10 minutes")
      assert.isAbove(wanted(), 0)
    }))

  it.effect("is no reason to ask while it is short, nor once it is up again", () =>
    Effect.gen(function*() {
      const { hosted, is } = yield* rig()
      hosted.answers = true
      for (let i = 0; i < 10; i++) {
        yield* is(false)
        yield* TestClock.adjust("20 seconds")
        yield* is(true)
      }
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(hosted.asked, 0)
    }))

  it.effect("is asked about less and less often: for days, twice an hour", () =>
    Effect.gen(function*() {
      const { hosted, is } = yield* rig()
      yield* is(false)
      yield* TestClock.adjust("1 day")
      const first = hosted.asked
      yield* TestClock.adjust("1 day")
      assert.isAtMost(hosted.asked - first, 24 * 2 * 1.25)
      assert.isAtLeast(hosted.asked - first, 24 * 2 * 0.75)
    }))

  it.effect("is what a person wanted while they paused: nothing is asked", () =>
    Effect.gen(function*() {
      const { hosted, is, state, wanted } = yield* rig()
      hosted.answers = true
      yield* SubscriptionRef.set(state.paused, true)
      yield* is(false)
      yield* TestClock.adjust("1 day")
      assert.deepStrictEqual([hosted.asked, wanted()], [0, 0])
    }))
})
