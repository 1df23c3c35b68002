import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"
import type { Cursor, EventLog, LogUnavailable } from "../../../src/nats/EventLog.ts"
import { all, collect, message, numbered, range, shown, take, text } from "../messages.ts"

export interface OpenedLog {
  readonly log: EventLog
  readonly openCursor: (name: string) => Effect.Effect<Cursor, LogUnavailable>
}

/** What every implementation of `EventLog` and `Cursor` does. `open` gives a new, empty log that takes subjects `s.>`. */
export const eventLogSuite = (name: string, open: (options: { readonly sizeMaxBytes?: number }) => Effect.Effect<OpenedLog, never, Scope.Scope>) => {
  const check = (title: string, body: (opened: OpenedLog) => Effect.Effect<void, unknown, Scope.Scope>, sizeMaxBytes?: number) =>
    it.live(title, () => Effect.flatMap(open(sizeMaxBytes === undefined ? {} : { sizeMaxBytes }), body))

  describe(`${name}: appending`, () => {
    check("sequences rise by one, and the message comes back as it was", ({ log }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* log.append([message("s.a", "one")]), { first: 1, last: 1 })
        assert.deepStrictEqual(yield* log.append([message("s.b", "two"), message("s.a", "three")]), { first: 2, last: 3 })
        assert.deepStrictEqual((yield* all(log)).map(shown), ["1 s.a one", "2 s.b two", "3 s.a three"])
        assert.deepStrictEqual(Option.map(yield* log.get(2), shown), Option.some("2 s.b two"))
        assert.deepStrictEqual(yield* log.get(4), Option.none())
        assert.deepStrictEqual(Option.map(yield* log.last("s.a"), shown), Option.some("3 s.a three"))
        assert.deepStrictEqual(yield* log.last("s.c"), Option.none())
        const info = yield* log.info
        assert.deepStrictEqual([info.firstSeq, info.lastSeq, info.messages], [1, 3, 3])
        assert.isAbove(info.bytes, 0)
      }))

    check("every byte comes back, none at all included", ({ log }) =>
      Effect.gen(function*() {
        const bytes = Uint8Array.from({ length: 70_000 }, (_, i) => i % 256)
        yield* log.append([{ subject: "s.a", data: bytes }, { subject: "s.a", data: new Uint8Array() }])
        const [full, empty] = yield* all(log)
        assert.deepStrictEqual(new Uint8Array(full!.data), bytes)
        assert.strictEqual(empty!.data.length, 0)
        assert.deepStrictEqual(Option.map(yield* log.get(1), ({ data }) => new Uint8Array(data)), Option.some(bytes))
      }))

    check("the time is the log's, in milliseconds", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([message("s.a", "x")])
        const [event] = yield* all(log)
        assert.isTrue(Number.isInteger(event!.time))
        assert.isBelow(Math.abs(event!.time - Date.now()), 60_000)
        assert.strictEqual(Option.getOrThrow(yield* log.get(1)).time, event!.time)
      }))

    check("a thousand messages on a thousand subjects are one append", ({ log }) =>
      Effect.gen(function*() {
        const batch = Array.from({ length: 1000 }, (_, i) => message(`s.${i}`, `${i}`))
        assert.deepStrictEqual(yield* log.append(batch), { first: 1, last: 1000 })
        assert.deepStrictEqual((yield* all(log)).map(({ subject }) => subject), batch.map(({ subject }) => subject))
      }))

    check("1,001 are refused, and none is written", ({ log }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(log.append(Array.from({ length: 1001 }, () => message("s.a", "x"))))
        assert.strictEqual(error._tag, "LogRefused")
        assert.strictEqual((yield* log.info).messages, 0)
      }))

    check("appends made at the same moment do not mix", ({ log }) =>
      Effect.gen(function*() {
        const results = yield* Effect.forEach(Array.from({ length: 40 }, (_, i) => i), (i) =>
          log.append(Array.from({ length: (i % 7) + 1 }, (_, k) => message(`s.${i}`, `${i} ${k}`))), { concurrency: "unbounded" })
        const stored = yield* all(log)
        results.forEach(({ first, last }, i) => {
          assert.strictEqual(last - first, i % 7)
          assert.deepStrictEqual(stored.slice(first - 1, last).map(text), Array.from({ length: (i % 7) + 1 }, (_, k) => `${i} ${k}`))
        })
        assert.strictEqual(stored.length, (yield* log.info).lastSeq)
      }))

    check("a message id is taken once", ({ log }) =>
      Effect.gen(function*() {
        const first = yield* log.append([{ ...message("s.a", "x"), messageId: "m1" }])
        assert.deepStrictEqual(yield* log.append([{ ...message("s.a", "x"), messageId: "m1" }]), first)
        assert.strictEqual((yield* log.info).messages, 1)
      }))
  })

  describe(`${name}: fencing`, () => {
    check("a stale writer is fenced, alone and in a batch, and writes nothing", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([{ ...message("s.a", "1"), expectedLast: 0 }])
        for (const batch of [[{ ...message("s.a", "2"), expectedLast: 0 }], [message("s.b", "2"), { ...message("s.a", "2"), expectedLast: 0 }]]) {
          assert.strictEqual((yield* Effect.flip(log.append(batch)))._tag, "LogFenced")
        }
        assert.strictEqual((yield* log.info).messages, 1)
        assert.deepStrictEqual(yield* log.append([message("s.b", "2"), { ...message("s.a", "2"), expectedLast: 1 }]), { first: 2, last: 3 })
      }))

    check("of two fences in one batch, one stale fences all", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([message("s.a", "1"), message("s.b", "1")])
        const batch = (a: number, b: number) => [{ ...message("s.a", "2"), expectedLast: a }, message("s.c", "2"), { ...message("s.b", "2"), expectedLast: b }]
        assert.strictEqual((yield* Effect.flip(log.append(batch(1, 1))))._tag, "LogFenced")
        assert.strictEqual((yield* Effect.flip(log.append(batch(0, 2))))._tag, "LogFenced")
        assert.deepStrictEqual(yield* log.append(batch(1, 2)), { first: 3, last: 5 })
      }))

    check("a fence around a pattern holds for all of its subjects, alone and in a batch", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([message("s.x.1", "1"), message("s.y.1", "1")])
        const around = (subject: string, expectedOn: string, expectedLast: number) => ({ ...message(subject, "2"), expectedLast, expectedOn })
        assert.strictEqual((yield* Effect.flip(log.append([around("s.x.2", "s.x.*", 0)])))._tag, "LogFenced")
        assert.deepStrictEqual(yield* log.append([around("s.x.2", "s.x.*", 1)]), { first: 3, last: 3 })
        // the first of each chain is fenced, and what follows it in the batch is not
        const batch = (x: number, y: number) => [around("s.x.3", "s.x.*", x), around("s.y.2", "s.y.*", y), message("s.x.4", "2"), message("s.y.1", "2")]
        assert.strictEqual((yield* Effect.flip(log.append(batch(2, 2))))._tag, "LogFenced")
        assert.strictEqual((yield* Effect.flip(log.append(batch(3, 3))))._tag, "LogFenced")
        assert.deepStrictEqual(yield* log.append(batch(3, 2)), { first: 4, last: 7 })
        assert.deepStrictEqual(yield* log.append([around("s.z.1", "s.z.*", 0)]), { first: 8, last: 8 })
        assert.deepStrictEqual(Option.map(yield* log.last("s.x.*"), shown), Option.some("6 s.x.4 2"))
        assert.deepStrictEqual(yield* log.last("s.none.*"), Option.none())
      }))

    check("of writers racing for one subject each step has one winner", ({ log }) =>
      Effect.gen(function*() {
        for (let last = 0; last < 10; last++) {
          const tries = yield* Effect.forEach([1, 2, 3, 4], (i) => Effect.result(log.append([{ ...message("s.a", `${i}`), expectedLast: last }])), { concurrency: "unbounded" })
          assert.strictEqual(tries.filter(({ _tag }) => _tag === "Success").length, 1)
        }
        assert.strictEqual((yield* log.info).messages, 10)
      }))
  })

  describe(`${name}: full`, () => {
    check("a full log says so, writes nothing of the batch, is read as before, and takes more once there is room", ({ log }) =>
      Effect.gen(function*() {
        const batch = Array.from({ length: 10 }, (_, i) => message("s.a", `${i}`.repeat(1000)))
        const error = yield* Effect.flip(Effect.forever(log.append(batch)))
        assert.strictEqual(error._tag, "LogFull")
        assert.isAbove(error._tag === "LogFull" ? error.hint.length : 0, 20)
        const { lastSeq, messages } = yield* log.info
        assert.strictEqual(messages % 10, 0)
        assert.strictEqual((yield* all(log)).length, messages)
        assert.strictEqual((yield* Effect.flip(log.append([message("s.a", "x".repeat(20_000))])))._tag, "LogFull")
        yield* log.purge({ subject: "s.a" })
        assert.deepStrictEqual(yield* log.append(batch), { first: lastSeq + 1, last: lastSeq + 10 })
      }), 50_000)
  })

  describe(`${name}: reading`, () => {
    check("what is there comes first, then what is written, in order, from anywhere", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append(numbered(0, 500))
        const reader = yield* Effect.forkScoped(take(log.read({ from: 101 }), 900))
        for (let i = 500; i < 1000; i += 10) yield* log.append(numbered(i, 10))
        const events = yield* Fiber.join(reader)
        assert.deepStrictEqual(events.map(({ seq }) => seq), range(101, 900))
        assert.deepStrictEqual(events.map(text), range(100, 900).map(String))
      }))

    check("a reader ahead of the log waits for its sequence", ({ log }) =>
      Effect.gen(function*() {
        const reader = yield* Effect.forkScoped(take(log.read({ from: 6 }), 5))
        yield* log.append(numbered(0, 10))
        assert.deepStrictEqual((yield* Fiber.join(reader)).map(({ seq }) => seq), range(6, 5))
      }))

    check("a filter lets through its subjects only", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([message("s.x.1", "a"), message("s.y.1", "b"), message("s.x.2", "c")])
        const reader = yield* Effect.forkScoped(take(log.read({ from: 1, filter: "s.x.*" }), 3))
        yield* log.append([message("s.y.2", "d"), message("s.x.1", "e")])
        assert.deepStrictEqual((yield* Fiber.join(reader)).map(shown), ["1 s.x.1 a", "3 s.x.2 c", "5 s.x.1 e"])
      }))

    check("a range ends where it is told, where the log ends, and where nothing matches", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append(numbered(0, 100))
        yield* log.append([message("s.other", "x")])
        const seqs = (options: { from: number; through: number; filter?: string }) => Effect.map(collect(log.readRange(options)), (events) => events.map(({ seq }) => seq))
        assert.deepStrictEqual(yield* seqs({ from: 11, through: 20 }), range(11, 10))
        assert.deepStrictEqual(yield* seqs({ from: 95, through: 1e9 }), range(95, 7))
        assert.deepStrictEqual(yield* seqs({ from: 102, through: 200 }), [])
        assert.deepStrictEqual(yield* seqs({ from: 20, through: 10 }), [])
        assert.deepStrictEqual(yield* seqs({ from: 1, through: 1e9, filter: "s.other" }), [101])
        assert.deepStrictEqual(yield* seqs({ from: 1, through: 50, filter: "s.other" }), [])
        assert.deepStrictEqual(yield* seqs({ from: 1, through: 1e9, filter: "s.none" }), [])
        assert.deepStrictEqual(yield* seqs({ from: 1, through: 101, filter: "s.a" }), range(1, 100))
      }))

    check("many readers see the same", ({ log }) =>
      Effect.gen(function*() {
        const readers = yield* Effect.forEach(range(0, 5), () => Effect.forkScoped(take(log.read({ from: 1 }), 300)))
        for (let i = 0; i < 300; i += 30) yield* log.append(numbered(i, 30))
        for (const reader of readers) assert.deepStrictEqual((yield* Fiber.join(reader)).map(({ seq }) => seq), range(1, 300))
      }))

    check("large and small messages arrive alike", ({ log }) =>
      Effect.gen(function*() {
        const sizes = [10, 1_000_000, 5, 3_000_000, 0, 7_000_000, 1]
        for (const size of sizes) yield* log.append([{ subject: "s.a", data: new Uint8Array(size).fill(7) }])
        assert.deepStrictEqual((yield* all(log)).map(({ data }) => data.length), sizes)
        assert.deepStrictEqual((yield* take(log.read({ from: 1 }), sizes.length)).map(({ data }) => data.length), sizes)
      }))
  })

  describe(`${name}: purging and metadata`, () => {
    check("a purge takes one subject below a sequence; others stay, sequences go on, readers pass over it", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append([message("s.a", "1"), message("s.b", "2"), message("s.a", "3"), message("s.a", "4")])
        assert.strictEqual(yield* log.purge({ subject: "s.a", before: 4 }), 2)
        assert.deepStrictEqual((yield* all(log)).map(shown), ["2 s.b 2", "4 s.a 4"])
        assert.strictEqual(yield* log.purge({ subject: "s.a" }), 1)
        assert.deepStrictEqual(yield* log.last("s.a"), Option.none())
        assert.strictEqual(yield* log.purge({ subject: "s.none" }), 0)
        assert.deepStrictEqual(yield* log.append([{ ...message("s.a", "5"), expectedLast: 0 }]), { first: 5, last: 5 })
        assert.deepStrictEqual((yield* take(log.read({ from: 1 }), 2)).map(shown), ["2 s.b 2", "5 s.a 5"])
      }))

    check("a range over what was purged ends", ({ log }) =>
      Effect.gen(function*() {
        yield* log.append(numbered(0, 50))
        yield* log.append([message("s.b", "x")])
        yield* log.purge({ subject: "s.a" })
        assert.deepStrictEqual((yield* collect(log.readRange({ from: 1, through: 50 }))).length, 0)
        yield* log.purge({ subject: "s.>" })
        assert.deepStrictEqual((yield* collect(log.readRange({ from: 1, through: 1e9 }))).length, 0)
      }))

    check("metadata merges and stays", ({ log }) =>
      Effect.gen(function*() {
        yield* log.setMetadata({ log_id: "a", epoch: "1" })
        yield* log.setMetadata({ epoch: "2" })
        yield* log.append([message("s.a", "x")])
        const { createdAt, metadata } = yield* log.info
        assert.deepStrictEqual(metadata, { log_id: "a", epoch: "2" })
        assert.isFalse(Number.isNaN(Date.parse(createdAt)))
      }))
  })

  describe(`${name}: cursors`, () => {
    check("a cursor begins at the beginning, and knows what lies behind it", ({ log, openCursor }) =>
      Effect.gen(function*() {
        const cursor = yield* openCursor("relay")
        assert.deepStrictEqual([yield* cursor.position, yield* cursor.pending], [0, 0])
        yield* log.append(numbered(0, 10))
        assert.strictEqual(yield* cursor.pending, 10)
        assert.deepStrictEqual((yield* take(cursor.read, 10)).map(({ seq }) => seq), range(1, 10))
        yield* cursor.ack(4)
        assert.deepStrictEqual([yield* cursor.position, yield* cursor.pending], [4, 6])
        yield* cursor.ack(10)
        yield* cursor.ack(10)
        assert.deepStrictEqual([yield* cursor.position, yield* cursor.pending], [10, 0])
        yield* log.append(numbered(10, 1))
        assert.strictEqual(yield* cursor.pending, 1)
      }))

    check("opened or read again it starts behind the last acknowledged, at once", ({ log, openCursor }) =>
      Effect.gen(function*() {
        yield* log.append(numbered(0, 100))
        const cursor = yield* openCursor("relay")
        yield* take(cursor.read, 100)
        assert.deepStrictEqual((yield* take(cursor.read, 100))[0]!.seq, 1)
        yield* cursor.ack(60)
        const again = yield* openCursor("relay")
        assert.strictEqual(yield* again.position, 60)
        assert.deepStrictEqual((yield* take(again.read, 40)).map(({ seq }) => seq), range(61, 40))
        assert.strictEqual(yield* (yield* openCursor("other")).position, 0)
      }))

    check("acknowledging does not disturb a reader in the middle", ({ log, openCursor }) =>
      Effect.gen(function*() {
        const cursor = yield* openCursor("relay")
        const seen: Array<number> = []
        const reader = yield* cursor.read.pipe(
          Stream.takeUntil((events) => events.at(-1)!.seq === 400),
          Stream.runForEach((events) => {
            seen.push(...events.map(({ seq }) => seq))
            return cursor.ack(events.at(-1)!.seq)
          }),
          Effect.forkScoped
        )
        for (let i = 0; i < 400; i += 8) yield* log.append(numbered(i, 8))
        yield* Fiber.join(reader)
        assert.deepStrictEqual(seen, range(1, 400))
        assert.strictEqual(yield* cursor.position, 400)
      }))

    check("it moves forward and back", ({ log, openCursor }) =>
      Effect.gen(function*() {
        yield* log.append(numbered(0, 20))
        const cursor = yield* openCursor("relay")
        yield* cursor.moveTo(15)
        assert.deepStrictEqual((yield* take(cursor.read, 5)).map(({ seq }) => seq), range(16, 5))
        yield* cursor.moveTo(2)
        assert.strictEqual((yield* take(cursor.read, 1))[0]!.seq, 3)
        yield* cursor.moveTo(0)
        assert.deepStrictEqual([yield* cursor.position, yield* cursor.pending], [0, 20])
      }))
  })
}
