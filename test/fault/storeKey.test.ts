// Goal: a record that is made while the tenant store's key is replaced is not left under the key that is destroyed.
// Method: a store whose writes take their time, on memory; the key changes while one is on its way.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option, Result } from "effect"
import { rekeyedStore } from "../../src/hosted/storeKey.ts"
import { type KeyValue, makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { decryptUnder, encryptUnder, newSecretKey } from "../../src/security/secretKey.ts"

describe("a record on its way", () => {
  it.effect("is under the present key when its write is answered, whatever it was under when it left", () =>
    Effect.gen(function*() {
      const inner = yield* makeMemoryKeyValue("TENANTS")
      const [asked, arrives] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow: KeyValue = { ...inner, create: (key, value) => Effect.andThen(Deferred.succeed(asked, undefined), Effect.andThen(Deferred.await(arrives), inner.create(key, value))) }
      const [before, now] = [newSecretKey(), newSecretKey()]
      const { adopt, face, store } = rekeyedStore(slow, { current: before, previous: undefined }, { keep: () => Effect.void, tell: () => Effect.void, ask: Effect.succeedNone })
      const writing = yield* Effect.forkChild(store.create("tenant.t_new", encryptUnder(face, "a record", "tenant.t_new")))
      yield* Deferred.await(asked)
      adopt({ current: now, previous: undefined })
      yield* Deferred.succeed(arrives, undefined)
      yield* Fiber.join(writing)
      const { value } = Option.getOrThrow(yield* inner.get("tenant.t_new"))
      assert.isTrue(Result.isFailure(decryptUnder(before, value, "tenant.t_new")))
      assert.strictEqual(Result.getOrThrow(decryptUnder(now, value, "tenant.t_new")), "a record")
    }))
})
