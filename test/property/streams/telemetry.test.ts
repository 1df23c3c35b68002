// Goal: an effect that is measured behaves as it did, and one event tells how long it took and how it ended.
// Method: effects that succeed, fail and are interrupted under a clock that is set by hand; a sink that remembers.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { readTelemetry, type TelemetryDraft, telemetryMessageId, TelemetrySink, withTelemetry } from "../../../streams/telemetry.ts"
import { subjects } from "../../../streams/subjects.ts"
import { Result } from "effect"

const remembering = () => {
  const told: Array<TelemetryDraft> = []
  return { told, sink: TelemetrySink.of({ emit: (draft) => Effect.sync(() => void told.push(draft)) }) }
}

describe("withTelemetry", () => {
  it.effect("tells how long it took and how it ended, and changes neither", () =>
    Effect.gen(function*() {
      const { sink, told } = remembering()
      const measured = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(effect.pipe(Effect.delay("40 millis"), withTelemetry("capture", { surface: "web" }), Effect.provideService(TelemetrySink, sink)), { startImmediately: true })
          yield* TestClock.adjust("40 millis")
          return yield* Fiber.await(fiber)
        })
      assert.deepStrictEqual(yield* measured(Effect.succeed(7)), Exit.succeed(7))
      assert.deepStrictEqual(yield* measured(Effect.fail("no")), Exit.fail("no"))
      assert.isTrue(Exit.hasInterrupts(yield* measured(Effect.interrupt)))
      assert.deepStrictEqual(told, ["ok", "failed", "interrupted"].map((outcome) => ({ event_type: "capture", latency_ms: 40, metadata: { surface: "web", outcome } })))
    }))
})

describe("telemetry on its way", () => {
  const event = { event_id: "e", event_type: "t", session_id: "", timestamp: "", source_backend: "local", metadata: {} }

  it("has a subject and a message id whatever its type and id hold", () => {
    for (const text of ["model warning", "a.b.>", "*", "ü\r\nNats-Msg-Id: x", "x".repeat(128), "😀"]) {
      assert.match(subjects.telemetryOut(text), /^telemetry\.[A-Za-z0-9_-]{1,64}$/)
      assert.match(telemetryMessageId("peer_0123456789abcdef", text), /^peer_[0-9a-f]{16}:[\x21-\x7e]+$/)
    }
    assert.notStrictEqual(telemetryMessageId("p", "a b"), telemetryMessageId("p", "a_b"))
  })

  it("says which field is at fault, never what was in it", () => {
    const secret = "ada@example.org"
    for (const [field, value] of [["event_id", { secret }], ["session_id", 7], ["metadata", secret], ["latency_ms", secret], ["event_type", `${secret}\ud800`]] as const) {
      const read = readTelemetry({ ...event, [field]: value })
      if (Result.isSuccess(read)) return assert.fail(field)
      assert.include(read.failure, field)
      assert.notInclude(read.failure, secret)
    }
  })
})
