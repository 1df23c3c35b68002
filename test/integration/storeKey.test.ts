// Goal: the key of the tenant store is replaced while several processes write, none loses a record, and the old key opens nothing.
// Method: processes as they stand on one real server: the keeper turns the key, others write, join late, or heard nothing of it.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Option, Result, Stream } from "effect"
import { openTenantStore } from "../../src/hosted/openTenantStore.ts"
import type { StoreKeys } from "../../src/hosted/storeKey.ts"
import { connect } from "../../src/nats/connect.ts"
import { jetStreamKeyValue } from "../../src/nats/keyValue.ts"
import { decryptBytesUnder, decryptUnder, encryptUnder, newSecretKey } from "../../src/security/secretKey.ts"
import { sharedServer } from "../support/sharedServer.ts"

const wired = sharedServer()
const masterKey = newSecretKey()
let count = 0

/** A process of the deployment. `keys`: it keeps them. `deaf`: what is told does not reach it. */
const processOn = (bucket: string, { deaf = false, keys }: { readonly keys?: StoreKeys; readonly deaf?: boolean } = {}) =>
  Effect.gen(function*() {
    const { server } = yield* wired
    const service = yield* connect({ server, name: "process", inboxPrefix: `_INBOX.h_${String(++count).padStart(20, "0")}` })
    const inner = yield* jetStreamKeyValue(service, { bucket, replicas: 1 })
    const kept: Array<StoreKeys> = []
    const { rekeyed, run } = yield* openTenantStore(inner, {
      service, masterKey, storeKeys: keys, keepStoreKeys: keys === undefined ? undefined : (next) => Effect.sync(() => kept.push(next)), onProgress: () => Effect.void
    })
    if (!deaf) yield* Effect.forkScoped(run)
    yield* Effect.promise(() => service.nats.flush())
    const { face, store } = rekeyed
    const put = (key: string, text: string) => Effect.gen(function*() {
      const held = yield* store.get(key)
      const value = encryptUnder(face, text, key)
      yield* Option.isNone(held) ? store.create(key, value) : store.update(key, value, held.value.revision)
    }).pipe(Effect.retry({ while: ({ _tag }) => _tag === "KeyConflict" }))
    const get = (key: string) => Effect.map(store.get(key), (found) => Result.getOrThrow(decryptUnder(face, Option.getOrThrow(found).value, key)))
    return { inner, kept, put, get, rekeyed, store }
  })
const fresh = (): StoreKeys => ({ current: newSecretKey(), previous: undefined })

describe("the key of the tenant store", () => {
  it.live("is another one after a turn, in every process, whatever they write meanwhile", () =>
    Effect.gen(function*() {
      const before = fresh()
      const keeper = yield* processOn("TURNED", { keys: before })
      const [one, other] = [yield* processOn("TURNED"), yield* processOn("TURNED")]
      const keys = Array.from({ length: 20 }, (_, i) => `tenant.${i}`)
      for (const key of keys) yield* one.put(key, "first")
      const written = new Map<string, string>()
      const writing = yield* Effect.forkChild(Effect.forEach(Array.from({ length: 200 }, (_, i) => i), (i) => {
        const key = i % 3 === 0 ? `tenant.new${i}` : keys[i % keys.length]!
        written.set(key, `write ${i}`)
        return (i % 2 === 0 ? one : other).put(key, `write ${i}`)
      }, { discard: true }))
      yield* Effect.sleep("50 millis")
      yield* keeper.rekeyed.turn
      yield* Fiber.join(writing)
      const now = keeper.kept.at(-1)!
      assert.isTrue(now.previous === undefined && !now.current.equals(before.current))
      for (const [key, text] of written) for (const process of [keeper, one, other]) assert.strictEqual(yield* process.get(key), text)
      for (const key of yield* keeper.inner.keys) {
        const { value } = Option.getOrThrow(yield* keeper.inner.get(key))
        assert.deepStrictEqual([before.current, now.current].map((secret) => Result.isSuccess(decryptBytesUnder(secret, value, key))), [false, true], key)
      }
      for (const process of [one, other]) assert.isTrue(process.rekeyed.keys().current.equals(now.current) && process.rekeyed.keys().previous === undefined)
    }))

  it.live("reaches who was not told, by asking, and who comes later, from any process", () =>
    Effect.gen(function*() {
      const keeper = yield* processOn("ASKED", { keys: fresh() })
      const deaf = yield* processOn("ASKED", { deaf: true })
      const hearing = yield* processOn("ASKED")
      yield* deaf.put("tenant.a", "before")
      yield* keeper.rekeyed.turn
      assert.strictEqual(yield* deaf.get("tenant.a"), "before")
      yield* deaf.put("tenant.b", "after")
      assert.strictEqual(yield* keeper.get("tenant.b"), "after")
      const late = yield* processOn("ASKED")
      const seen = yield* late.store.watch.pipe(Stream.takeWhile(({ _tag }) => _tag === "change"), Stream.runCollect)
      assert.strictEqual(seen.length, 2)
      assert.strictEqual(yield* late.get("tenant.b"), "after")
      assert.isTrue(hearing.rekeyed.keys().current.equals(late.rekeyed.keys().current))
    }))

  it.live("turned half way, is turned to its end by the next start", () =>
    Effect.gen(function*() {
      const before = fresh()
      const first = yield* processOn("HALF", { keys: before })
      for (const key of ["tenant.a", "tenant.b"]) yield* first.put(key, key)
      const half: StoreKeys = { current: newSecretKey(), previous: before.current }
      const again = yield* processOn("HALF", { keys: half })
      yield* again.put("tenant.a", "under the new one")
      assert.strictEqual(yield* again.get("tenant.b"), "tenant.b")
      yield* again.rekeyed.turn
      assert.isTrue(again.kept.at(-1)!.current.equals(half.current) && again.kept.at(-1)!.previous === undefined)
      assert.deepStrictEqual([yield* again.get("tenant.a"), yield* again.get("tenant.b")], ["under the new one", "tenant.b"])
    }))
})
