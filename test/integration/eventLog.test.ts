// Goal: the log and cursors on JetStream keep what their interfaces promise.
// Method: the suite the memory log runs too, each test on a stream of its own; then what only a real server refuses.
import { assert, describe, it } from "@effect/vitest"
import { headers } from "@nats-io/transport-node"
import { Effect, Fiber, Schedule, Schema, Stream } from "effect"
import { openCursor } from "../../src/nats/cursor.ts"
import { api, Done } from "../../src/nats/jetStreamApi.ts"
import { jetStreamLog } from "../../src/nats/jetStreamLog.ts"
import { ensureStream } from "../../src/nats/provision.ts"
import { streams } from "../../streams/definitions.ts"
import { sharedServer } from "../support/sharedServer.ts"
import { message, numbered, range, take } from "../support/messages.ts"
import { eventLogSuite } from "../support/suites/eventLog.ts"

const server = sharedServer()
/** What nats-server holds of one stream (`stream_batch_max_inflight`). */
const openBatchesMax = 50
const everyFewMillis = Schedule.spaced("10 millis")
let made = 0

/** Streams share the account, so each needs its subjects; `s.>` moves from one test to the next. */
const open = ({ sizeMaxBytes = 512 * 1024 * 1024 }: { readonly sizeMaxBytes?: number } = {}) =>
  Effect.gen(function*() {
    const wire = yield* server
    const name = `TEST_${++made}`
    yield* Effect.acquireRelease(
      Effect.orDie(ensureStream(wire, { ...streams.journal, name, subjects: ["s.>"] }, { replicas: 1, sizeMaxBytes })),
      () => Effect.ignore(api(wire, `STREAM.DELETE.${name}`, undefined, Done))
    )
    return { wire, name, log: jetStreamLog(wire, name), openCursor: (cursor: string) => openCursor(wire, { stream: name, name: cursor }) }
  })

eventLogSuite("JetStream log", open)

describe("JetStream log: refusals", () => {
  it.live("a message larger than the server takes is refused before anything leaves, alone and in a batch", () =>
    Effect.gen(function*() {
      const { log, wire } = yield* open()
      const huge = { subject: "s.a", data: new Uint8Array(9 * 1024 * 1024) }
      assert.strictEqual((yield* Effect.flip(log.append([huge])))._tag, "LogRefused")
      assert.strictEqual((yield* Effect.flip(log.append([message("s.a", "x"), huge])))._tag, "LogRefused")
      assert.strictEqual((yield* log.info).messages, 0)
      assert.isTrue(wire.isUp())
    }))

  it.live("the reason why a message inside a batch is refused comes through", () =>
    Effect.gen(function*() {
      const wire = yield* server
      yield* api(wire, "STREAM.CREATE.SMALL", { name: "SMALL", subjects: ["small"], allow_atomic: true, max_msg_size: 1000 }, Done)
      const log = jetStreamLog(wire, "SMALL")
      const large = message("small", "x".repeat(2000))
      for (const batch of [[large, message("small", "y")], [message("small", "y"), large, message("small", "y")], [message("small", "y"), large]]) {
        const error = yield* Effect.flip(log.append(batch))
        assert.deepStrictEqual([error._tag, error._tag === "LogRefused" && error.code], ["LogRefused", 10054])
      }
      assert.strictEqual((yield* log.info).messages, 0)
    }))

  it.live("a stream without atomic batches refuses one", () =>
    Effect.gen(function*() {
      const wire = yield* server
      yield* api(wire, "STREAM.CREATE.PLAIN", { name: "PLAIN", subjects: ["plain"] }, Done)
      const error = yield* Effect.flip(jetStreamLog(wire, "PLAIN").append([message("plain", "1"), message("plain", "2")]))
      assert.strictEqual(error._tag, "LogRefused")
    }))

  it.live("a stream that is not there is unavailable, to write and to read", () =>
    Effect.gen(function*() {
      const log = jetStreamLog(yield* server, "NOWHERE")
      assert.strictEqual((yield* Effect.flip(log.append([message("nowhere.a", "1")])))._tag, "LogUnavailable")
      assert.strictEqual((yield* Effect.flip(log.info))._tag, "LogUnavailable")
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(log.readRange({ from: 1, through: 5 }))))._tag, "LogUnavailable")
    }))

  it.live("a batch that comes when the server has as many open as it takes is sent again until there is room", () =>
    Effect.gen(function*() {
      const { log, wire } = yield* open()
      const stage = (id: string, sequence: number, last: boolean) =>
        Effect.promise(() => {
          const batch = headers()
          batch.set("Nats-Batch-Id", id)
          batch.set("Nats-Batch-Sequence", String(sequence))
          if (last) batch.set("Nats-Batch-Commit", "1")
          return wire.nats.request(`s.${id}`, "of another process", { headers: batch, timeout: 20_000 })
        })
      const others = range(1, openBatchesMax).map((n) => `open${n}`)
      yield* Effect.forEach(others, (id) => stage(id, 1, false), { concurrency: "unbounded" })
      const appending = yield* Effect.forkScoped(log.append([message("s.ours", "1"), message("s.ours", "2")]))
      yield* Effect.sleep("60 millis")
      assert.strictEqual((yield* log.info).messages, 0)
      yield* Effect.forEach(others, (id) => stage(id, 2, true), { concurrency: "unbounded" })
      yield* Fiber.join(appending)
      assert.strictEqual((yield* log.info).messages, 2 * openBatchesMax + 2)
    }))
})

describe("JetStream log: readers", () => {
  it.live("a reader whose consumer is removed goes on with a new one", () =>
    Effect.gen(function*() {
      const { log, name, wire } = yield* open()
      const seen: Array<number> = []
      const reader = yield* log.read({ from: 1 }).pipe(
        Stream.takeUntil((events) => {
          seen.push(...events.map(({ seq }) => seq))
          return seen.length >= 30
        }),
        Stream.runDrain,
        Effect.forkScoped
      )
      for (let i = 0; i < 3; i++) {
        yield* log.append(numbered(i * 10, 10))
        yield* Effect.suspend(() => seen.length >= (i + 1) * 10 ? Effect.void : Effect.fail("not yet")).pipe(Effect.retry({ schedule: everyFewMillis }))
        const { consumers } = yield* api(wire, `CONSUMER.NAMES.${name}`, undefined, Names)
        // After the last event the reader removes it itself.
        for (const consumer of consumers) yield* Effect.ignore(api(wire, `CONSUMER.DELETE.${name}.${consumer}`, undefined, Done))
      }
      yield* Fiber.join(reader)
      assert.deepStrictEqual(seen, range(1, 30))
    }))

  it.live("a reader that does not take is not sent everything", () =>
    Effect.gen(function*() {
      const { log, name, wire } = yield* open()
      const data = new Uint8Array(1024 * 1024)
      for (let i = 0; i < 60; i++) yield* log.append([{ subject: "s.a", data }])
      const begun = Promise.withResolvers<void>()
      const reader = yield* log.read({ from: 1 }).pipe(
        Stream.runForEach(() => {
          begun.resolve()
          return Effect.never
        }),
        Effect.forkScoped
      )
      yield* Effect.promise(() => begun.promise)
      // What it asked for comes within this time; the rest must not come at all.
      yield* Effect.sleep("500 millis")
      const { consumers } = yield* api(wire, `CONSUMER.LIST.${name}`, undefined, Delivered)
      assert.isAtMost(consumers[0]!.delivered.stream_seq, 24)
      yield* Fiber.interrupt(reader)
      assert.deepStrictEqual((yield* take(log.read({ from: 1 }), 60)).map(({ seq }) => seq), range(1, 60))
    }))

  it.live("a reader that stops leaves no consumer behind", () =>
    Effect.gen(function*() {
      const { log, name, wire } = yield* open()
      yield* log.append(numbered(0, 5))
      yield* take(log.read({ from: 1 }), 5)
      yield* api(wire, `CONSUMER.NAMES.${name}`, undefined, Names).pipe(
        Effect.flatMap(({ consumers }) => consumers.length === 0 ? Effect.void : Effect.fail("still there")),
        Effect.retry({ schedule: everyFewMillis }),
        Effect.timeout("30 seconds")
      )
    }))
})

describe("JetStream log: a server without space", () => {
  const cramped = sharedServer({ config: "accounts { A { users: [{ user: a, password: a }], jetstream { max_file: 5MB } } }\nno_auth_user: a" })

  it.live("the account's storage limit is full too, for one message and inside a batch", () =>
    Effect.gen(function*() {
      const wire = yield* cramped
      yield* api(wire, "STREAM.CREATE.TINY", { name: "TINY", subjects: ["tiny"], allow_atomic: true, discard: "new" }, Done)
      const log = jetStreamLog(wire, "TINY")
      const large = { subject: "tiny", data: new Uint8Array(1024 * 1024) }
      assert.strictEqual((yield* Effect.flip(Effect.forever(log.append([large]))))._tag, "LogFull")
      assert.strictEqual((yield* Effect.flip(log.append([large, message("tiny", "x")])))._tag, "LogFull")
      assert.isAbove((yield* take(log.read({ from: 1 }), 3)).length, 2)
    }))

  it.live("a stream larger than the disk is refused with what to do", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ensureStream(yield* cramped, streams.log, { replicas: 1 }))
      assert.strictEqual(error._tag, "StreamRefused")
      assert.match(error._tag === "StreamRefused" ? error.hint : "", /size|limit/)
    }))
})

const Names = Schema.Struct({ consumers: Schema.Array(Schema.String) })
const Delivered = Schema.Struct({ consumers: Schema.Array(Schema.Struct({ delivered: Schema.Struct({ stream_seq: Schema.Int }) })) })
