// Goal: who is told of an event and looks at once sees it; tables that are far behind hold nobody up for ever.
// Method: real tables that take events or do not, on virtual time.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { join } from "node:path"
import { Projections } from "../../../projections/runner.ts"
import { untilShown } from "../../../projections/untilShown.ts"
import { message, offer } from "../../support/suites/projections.ts"
import { databaseAt, temporaryFolder } from "./rig.ts"

const tables = Layer.unwrap(Effect.map(temporaryFolder, (folder) => databaseAt(join(folder, "projections.db"))))
const isDone = (fiber: Fiber.Fiber<void>) => fiber.pollUnsafe() !== undefined

describe("a reader of the log", () => {
  it.effect("waits for the tables to show what it tells of, and not at all where they do", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const shown = untilShown(projections, "log")
      const waiting = yield* Effect.forkChild(shown(2), { startImmediately: true })
      yield* projections.absorb(offer(1, message(1)))
      yield* TestClock.adjust("1 second")
      assert.isFalse(isDone(waiting))
      yield* projections.absorb(offer(2, message(2)))
      yield* Fiber.join(waiting)
      assert.isTrue(isDone(yield* Effect.forkChild(shown(2), { startImmediately: true })))
    }).pipe(Effect.provide(tables)))

  it.effect("goes on after two seconds, once, and waits again after they have caught up", () =>
    Effect.gen(function*() {
      const projections = yield* Projections
      const shown = untilShown(projections, "log")
      const late = yield* Effect.forkChild(shown(5), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.isFalse(isDone(late))
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(late)
      yield* projections.absorb(offer(1, message(1)))
      assert.isTrue(isDone(yield* Effect.forkChild(shown(6), { startImmediately: true })))
      yield* projections.absorb(offer(5, message(5)))
      const again = yield* Effect.forkChild(shown(7), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isFalse(isDone(again))
      yield* Fiber.interrupt(again)
    }).pipe(Effect.provide(tables)))
})
