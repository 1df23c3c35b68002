// Goal: what hosted processes share is the same in all of them, loses no change, and says nothing to whoever reads the store.
// Method: several holders of one record over one memory bucket, changing it at once; then the bucket is put back.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema, Stream, SubscriptionRef } from "effect"
import { adminTokens, openAdminTokens } from "../../src/hosted/adminTokens.ts"
import { openSharedRecord } from "../../src/hosted/SharedRecord.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"

const about = { key: "admin.names", schema: Schema.Struct({ names: Schema.Array(Schema.String) }), empty: { names: [] } }

const shown = <A>(ref: SubscriptionRef.SubscriptionRef<A>, is: (value: A) => boolean) =>
  SubscriptionRef.changes(ref).pipe(Stream.filter(is), Stream.runHead, Effect.timeout("30 seconds"))

describe("a shared record", () => {
  it.live("keeps every change of every process, and all come to hold the same", () =>
    Effect.gen(function*() {
      const store = yield* makeMemoryKeyValue("TENANTS")
      const key = newSecretKey()
      const holders = yield* Effect.forEach([1, 2, 3], () => openSharedRecord(store, key, about))
      for (const holder of holders) yield* Effect.forkScoped(holder.run)
      yield* Effect.forEach(Array.from({ length: 30 }, (_, i) => i), (i) =>
        holders[i % 3]!.update(({ names }) => Result.succeed({ names: [...names, `n${i}`] })), { concurrency: "unbounded" })
      for (const { held } of holders) yield* shown(held, ({ names }) => new Set(names).size === 30)
      assert.deepStrictEqual(yield* holders[0]!.update(() => Result.fail("no")).pipe(Effect.flip), "no")
    }))

  it.live("opens under its own key only, and holds no token", () =>
    Effect.gen(function*() {
      const store = yield* makeMemoryKeyValue("TENANTS")
      const tokens = adminTokens(yield* openAdminTokens(store, newSecretKey()))
      const { token } = yield* tokens.create("carol", "read")
      const entries = yield* store.watch.pipe(Stream.takeUntil(({ _tag }) => _tag === "ready"), Stream.runCollect)
      const bytes = entries.flatMap((entry) => entry._tag === "change" ? [Buffer.from(entry.value ?? []).toString("latin1")] : [])
      assert.lengthOf(bytes, 1)
      for (const secret of [token, "carol"]) assert.notInclude(bytes[0], secret)
      assert.strictEqual((yield* openAdminTokens(store, newSecretKey()).pipe(Effect.flip))._tag, "TenantsUnavailable")
    }))
})
