// Goal: a user is one tenant, also where the store refuses a second writer before what the first one wrote can be read.
// Method: a store in memory that shows a key only after some reads, as a stream on several servers does for a moment.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import { makeTenants } from "../../src/hosted/Tenants.ts"
import type { TenantRecord } from "../../src/hosted/TenantRecord.ts"
import { KeyConflict, type KeyValue, memoryKeyValue } from "../../src/nats/keyValue.ts"
import { openMemoryLog } from "../../src/nats/memoryLog.ts"
import { emptyImage, makeMemoryStore } from "../../src/nats/memoryStore.ts"
import { secretKey } from "../../src/security/secretKey.ts"

const storeKey = secretKey(new Uint8Array(32).fill(7))
const record = (tenant: string): TenantRecord => ({ tenant, user_id: "ada", partition: 0, data_keys: [], pending: [], devices: [], gone: [], created_at: "2026-11-29T10:00:00.000Z" })

/** `late`: reads that find nothing of what is there. */
const openStore = (late: number): KeyValue => {
  const store = memoryKeyValue(openMemoryLog(makeMemoryStore("KV_TENANTS", emptyImage(0), { newestOnly: true })), "TENANTS")
  let reads = 0
  return {
    ...store,
    create: (key, value) => Effect.catchTag(store.create(key, value), "KeyConflict", () => Effect.fail(new KeyConflict({ bucket: "TENANTS", key }))),
    get: (key) => key.startsWith("user.") && reads++ < late ? Effect.succeed(Option.none()) : store.get(key)
  }
}

describe("two who enrol a new user at the same moment", () => {
  for (const late of [0, 3]) {
    it.live(`get one tenant, though what the first wrote is not read at once (${late} times)`, () =>
      Effect.gen(function*() {
        const store = openStore(late)
        const one = yield* makeTenants(store, storeKey, "deployment")
        const other = yield* makeTenants(store, storeKey, "deployment")
        const [a, b] = yield* Effect.all([one.ofUserOrNew("ada", record, "t_aaaaaaaaaaaaaaaa"), other.ofUserOrNew("ada", record, "t_bbbbbbbbbbbbbbbb")], { concurrency: 2 })
        assert.strictEqual(a.tenant, b.tenant)
      }))
  }
})
