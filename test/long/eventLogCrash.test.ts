// Goal: a server killed at any moment costs time, never an event: nothing acknowledged is lost, nothing is there twice,
// readers skip and repeat nothing, positions stay.
// Method: a real nats-server, SIGKILL in the middle of appending, reading and acknowledging, restart on the same store.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Schedule, Stream, SubscriptionRef } from "effect"
import { connect } from "../../src/nats/connect.ts"
import { openCursor } from "../../src/nats/cursor.ts"
import type { EventLog } from "../../src/nats/EventLog.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { ensureStream } from "../../src/nats/provision.ts"
import { streams } from "../../streams/definitions.ts"
import { startServer } from "../support/natsServer.ts"
import { all, numbered, range, take, text } from "../support/messages.ts"

const open = Effect.gen(function*() {
  const server = yield* startServer()
  const wire = yield* connect({ server: server.address, name: "crash" })
  yield* ensureStream(wire, { ...streams.journal, name: "CRASH", subjects: ["s.>"] }, { replicas: 1, sizeMaxBytes: 1024 ** 3 })
  return { server, wire, log: jetStreamLog(wire, "CRASH") }
})

/** Writes numbers in order as a careful writer does: after an append of unknown outcome it reads what is there. */
const writeNumbers = (log: EventLog, count: number, acknowledged: { upTo: number }) =>
  Effect.gen(function*() {
    let next = 0
    while (next < count) {
      const size = Math.min(count - next, 1 + (next % 90))
      const result = yield* Effect.result(log.append(numbered(next, size)))
      if (result._tag === "Success") {
        next += size
        acknowledged.upTo = next
        continue
      }
      assert.strictEqual(result.failure._tag, "LogUnavailable")
      const last = yield* log.last("s.a").pipe(Effect.retry({ schedule: Schedule.spaced("20 millis") }))
      next = Option.match(last, { onNone: () => 0, onSome: (event) => Number(text(event)) + 1 })
      assert.isAtLeast(next, acknowledged.upTo)
    }
  })

describe("a killed server", () => {
  it.live("in the middle of appending and reading: every number once, in order, for the log and for its reader", () =>
    Effect.gen(function*() {
      const { log, server } = yield* open
      const count = 20_000
      const acknowledged = { upTo: 0 }
      let read = 0
      const writer = yield* Effect.forkScoped(writeNumbers(log, count, acknowledged))
      const reader = yield* log.read({ from: 1 }).pipe(
        Stream.takeUntil((events) => {
          for (const event of events) {
            assert.strictEqual(event.seq, read + 1)
            assert.strictEqual(text(event), `${read++}`)
          }
          return read === count
        }),
        Stream.runDrain,
        Effect.forkScoped
      )
      for (const mark of [2000, 7000, 12_000, 17_000]) {
        yield* Effect.suspend(() => acknowledged.upTo >= mark ? Effect.void : Effect.fail("not yet")).pipe(Effect.retry({ schedule: Schedule.spaced("1 millis") }))
        const sure = acknowledged.upTo
        yield* server.kill
        yield* server.restart
        assert.isAtLeast((yield* log.info.pipe(Effect.retry({ schedule: Schedule.spaced("20 millis") }))).lastSeq, sure)
      }
      yield* Fiber.join(writer)
      yield* Fiber.join(reader)
      assert.deepStrictEqual((yield* all(log)).map(text), range(0, count).map(String))
    }), 60_000)

  it.live("right after an acknowledgement: the position is where it was acknowledged", () =>
    Effect.gen(function*() {
      const { log, server, wire } = yield* open
      yield* log.append(numbered(0, 1000))
      const cursor = yield* openCursor(wire, { stream: "CRASH", name: "relay" })
      for (const seq of [1, 17, 500, 999, 400]) {
        yield* cursor.ack(seq)
        yield* server.kill
        yield* server.restart
        const again = yield* openCursor(wire, { stream: "CRASH", name: "relay" }).pipe(Effect.retry({ schedule: Schedule.spaced("20 millis") }))
        assert.deepStrictEqual([yield* again.position, yield* again.pending], [seq, 1000 - seq])
        assert.strictEqual((yield* take(cursor.read, 1))[0]!.seq, seq + 1)
      }
    }), 60_000)

  it.live("while it is away an append fails soon and says unavailable, `up` says so, and afterwards all goes on by itself", () =>
    Effect.gen(function*() {
      const { log, server, wire } = yield* open
      const reader = yield* Effect.forkScoped(take(log.read({ from: 1 }), 2))
      yield* log.append(numbered(0, 1))
      yield* server.kill
      yield* becomes(wire.up, false)
      assert.strictEqual((yield* Effect.flip(log.append(numbered(1, 1)).pipe(Effect.timeout("15 seconds"))))._tag, "LogUnavailable")
      yield* server.restart
      yield* becomes(wire.up, true).pipe(Effect.timeout("2 seconds"))
      yield* log.append(numbered(1, 1))
      assert.deepStrictEqual((yield* Fiber.join(reader).pipe(Effect.timeout("3 seconds"))).map(text), ["0", "1"])
    }), 60_000)
})

describe("a server that falls silent", () => {
  it.live("shows within 15 s, and its return within 2 s; a reader goes on where it was", () =>
    Effect.gen(function*() {
      const { log, server, wire } = yield* open
      yield* log.append(numbered(0, 10))
      const reader = yield* Effect.forkScoped(take(log.read({ from: 1 }), 20))
      yield* server.freeze
      yield* becomes(wire.up, false).pipe(Effect.timeout("15 seconds"))
      yield* server.thaw
      yield* becomes(wire.up, true).pipe(Effect.timeout("2 seconds"))
      yield* log.append(numbered(10, 10))
      assert.deepStrictEqual((yield* Fiber.join(reader).pipe(Effect.timeout("5 seconds"))).map(text), range(0, 20).map(String))
    }), 60_000)
})

const becomes = (up: SubscriptionRef.SubscriptionRef<boolean>, wanted: boolean) =>
  SubscriptionRef.changes(up).pipe(Stream.filter((is) => is === wanted), Stream.take(1), Stream.runDrain)
