import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, type Scope, Stream } from "effect"
import type { KeyChange, KeyValue } from "../../../src/nats/keyValue.ts"

/** What every implementation of `KeyValue` does. `open` gives a new, empty bucket. */
export const keyValueSuite = (name: string, open: Effect.Effect<KeyValue, never, Scope.Scope>) => {
  const check = (title: string, body: (bucket: KeyValue) => Effect.Effect<void, unknown, Scope.Scope>) => it.live(title, () => Effect.flatMap(open, body))

  describe(`${name}: keys`, () => {
    check("a key is created once, updated from its revision, and gone when deleted", (bucket) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* bucket.get("a.b"), Option.none())
        const first = yield* bucket.create("a.b", bytes("one"))
        assert.strictEqual((yield* Effect.flip(bucket.create("a.b", bytes("again"))))._tag, "KeyConflict")
        const second = yield* bucket.update("a.b", bytes("two"), first)
        assert.isAbove(second, first)
        assert.strictEqual((yield* Effect.flip(bucket.update("a.b", bytes("stale"), first)))._tag, "KeyConflict")
        assert.deepStrictEqual(Option.map(yield* bucket.get("a.b"), ({ revision, value }) => [body(value), revision]), Option.some(["two", second]))
        yield* bucket.delete("a.b")
        assert.deepStrictEqual(yield* bucket.get("a.b"), Option.none())
        assert.strictEqual((yield* Effect.flip(bucket.update("a.b", bytes("stale"), second)))._tag, "KeyConflict")
        yield* bucket.create("a.b", bytes("three"))
        assert.deepStrictEqual(Option.map(yield* bucket.get("a.b"), ({ value }) => body(value)), Option.some("three"))
      }))

    check("of many who create or update at once one wins", (bucket) =>
      Effect.gen(function*() {
        const won = (tries: ReadonlyArray<{ readonly _tag: string }>) => tries.filter(({ _tag }) => _tag === "Success").length
        const creates = yield* Effect.forEach([1, 2, 3, 4, 5], (i) => Effect.result(bucket.create("k", bytes(`${i}`))), { concurrency: "unbounded" })
        assert.strictEqual(won(creates), 1)
        const { revision } = Option.getOrThrow(yield* bucket.get("k"))
        const updates = yield* Effect.forEach([1, 2, 3, 4, 5], (i) => Effect.result(bucket.update("k", bytes(`${i}`), revision)), { concurrency: "unbounded" })
        assert.strictEqual(won(updates), 1)
      }))

    check("keys are those that are there", (bucket) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* bucket.keys, [])
        for (const key of ["t.b", "t.a", "other"]) yield* bucket.create(key, bytes(key))
        yield* bucket.delete("t.b")
        yield* bucket.delete("never.was")
        yield* bucket.update("t.a", bytes("2"), Option.getOrThrow(yield* bucket.get("t.a")).revision)
        assert.deepStrictEqual([...(yield* bucket.keys)].sort(), ["other", "t.a"])
      }))

    check("what is no key, or would read as deleted, is a defect", (bucket) =>
      Effect.gen(function*() {
        for (const key of ["", ".a", "a.", "a..b", "*", "a.>", "a b"]) assert.throws(() => bucket.get(key), /not a key/)
        assert.strictEqual((yield* Effect.exit(bucket.create("k", new Uint8Array())))._tag, "Failure")
      }))
  })

  describe(`${name}: watching`, () => {
    check("a watch begins with the state, says when that is all, and goes on with changes", (bucket) =>
      Effect.gen(function*() {
        yield* bucket.create("gone", bytes("x"))
        yield* bucket.delete("gone")
        const revision = yield* bucket.create("a", bytes("1"))
        yield* bucket.update("a", bytes("2"), revision)
        const begun = Promise.withResolvers<void>()
        const watch = yield* bucket.watch.pipe(
          Stream.map(shown),
          Stream.tap((line) => Effect.sync(() => line === "ready" && begun.resolve())),
          Stream.takeUntil((line) => line === "b deleted"),
          Stream.runCollect,
          Effect.forkScoped
        )
        yield* Effect.promise(() => begun.promise)
        yield* bucket.create("b", bytes("3"))
        yield* bucket.delete("b")
        const lines = yield* Fiber.join(watch)
        assert.include(lines, "ready")
        const before = lines.slice(0, lines.indexOf("ready"))
        assert.include(before, "a 2")
        assert.notInclude(lines, "a 1")
        assert.notInclude(lines, "gone x")
        assert.strictEqual(lines.at(-1), "b deleted")
        assert.strictEqual(lines.filter((line) => line === "ready").length, 1)
      }))

    check("an empty bucket is ready at once", (bucket) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(Option.map(yield* Stream.runHead(bucket.watch), shown), Option.some("ready"))
      }))
  })
}

const bytes = (value: string) => new TextEncoder().encode(value)
const body = (value: Uint8Array) => new TextDecoder().decode(value)
export const shown = (change: KeyChange) => change._tag === "ready" ? "ready" : `${change.key} ${change.value === undefined ? "deleted" : body(change.value)}`
