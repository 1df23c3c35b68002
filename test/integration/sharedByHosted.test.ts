// Goal: what hosted processes share is shared: a tenant is made once, a nonce is used once, a ticket is redeemed once.
// Method: two stores of each kind, as two processes hold them, on connections of their own to one real server.
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Option } from "effect"
import { jetStreamKeyValue, type KeyValue } from "../../src/nats/keyValue.ts"
import { nonceBucket, hostedNonces } from "../../src/hosted/nonces.ts"
import { hostedTickets, ticketBucket } from "../../src/hosted/tickets.ts"
import { makeTenants } from "../../src/hosted/Tenants.ts"
import type { TenantRecord } from "../../src/hosted/TenantRecord.ts"
import { nonceLife } from "../../src/security/NonceCache.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { sharedServer } from "../support/sharedServer.ts"

const first = sharedServer()
const bucketOf = (bucket: { readonly bucket: string; readonly ageMax?: Duration.Duration }) =>
  Effect.flatMap(first, (wire) => Effect.orDie(jetStreamKeyValue(wire, { ...bucket, replicas: 1 })))
const storeKey = newSecretKey()

const processOn = (store: KeyValue) => makeTenants(store, storeKey, "deployment")
const recordFor = (user: string) => (tenant: string): TenantRecord =>
  ({ tenant, user_id: user, partition: 0, data_keys: [{ kid: `${tenant}.1`, key: "k" }], pending: [], devices: [], gone: [], created_at: "2026-11-22T10:00:00.000Z" })

describe("two hosted processes", () => {
  it.live("that enrol a new user at the same moment make one tenant", () =>
    Effect.gen(function*() {
      const store = yield* bucketOf({ bucket: "ENROL" })
      const processes = yield* Effect.all([processOn(store), processOn(store), processOn(store)])
      for (const user of ["ada", "bob", "carol"]) {
        const made = yield* Effect.forEach(processes, ({ ofUserOrNew }) => ofUserOrNew(user, recordFor(user)), { concurrency: "unbounded" })
        assert.strictEqual(new Set(made.map(({ tenant }) => tenant)).size, 1)
        assert.isTrue(made.every(({ user_id }) => user_id === user))
      }
      const kept = (yield* store.keys).filter((key) => key.startsWith("tenant."))
      assert.strictEqual(kept.length, 3)
    }))

  it.live("one of which ended before it had made the tenant it had chosen: the other makes that one", () =>
    Effect.gen(function*() {
      const store = yield* bucketOf({ bucket: "HALF" })
      let lost = 0
      const dies = yield* Deferred.make<void>()
      // dies between the two writes
      const dying: KeyValue = { ...store, create: (key, value) => key.startsWith("tenant.") ? Effect.suspend(() => { lost++; return Deferred.succeed(dies, undefined) }).pipe(Effect.andThen(Effect.never)) : store.create(key, value) }
      const one = yield* processOn(dying)
      yield* Effect.raceFirst(one.ofUserOrNew("ada", recordFor("ada")), Deferred.await(dies))
      const [chosen] = yield* store.keys
      const other = yield* processOn(store)
      const { tenant } = yield* other.ofUserOrNew("ada", recordFor("ada"))
      assert.strictEqual(lost, 1)
      assert.strictEqual(new TextDecoder().decode(Option.getOrThrow(yield* store.get(chosen!)).value), tenant)
      assert.isFalse(chosen!.includes("ada"))
    }))

  it.live("spend a nonce once between them, however many ask at once", () =>
    Effect.gen(function*() {
      const store = yield* bucketOf(nonceBucket)
      const [a, b] = [hostedNonces(store), hostedNonces(store)]
      const peer = "peer_0123456789abcdef"
      assert.strictEqual(yield* a.spend(peer, "n".repeat(16)), "fresh")
      assert.strictEqual(yield* b.spend(peer, "n".repeat(16)), "replayed")
      assert.strictEqual(yield* b.spend("peer_0123456789abcdee", "n".repeat(16)), "fresh")
      const all = yield* Effect.forEach(Array.from({ length: 20 }, (_, i) => i % 2 === 0 ? a : b), ({ spend }) => spend(peer, "m".repeat(16)), { concurrency: "unbounded" })
      assert.strictEqual(all.filter((verdict) => verdict === "fresh").length, 1)
      assert.isAtLeast(Duration.toSeconds(nonceLife), 120)
    }))

  it.live("redeem a ticket once, whoever sold it", () =>
    Effect.gen(function*() {
      const store = yield* bucketOf(ticketBucket)
      const [a, b] = [hostedTickets(store), hostedTickets(store)]
      const held = { tenant: "t_aaaaaaaaaaaaaaaa", backendId: undefined, peer: "peer_0123456789abcdef" }
      const { ticket } = yield* a.issue(held)
      const both = yield* Effect.all([a.redeem(ticket), b.redeem(ticket)], { concurrency: 2 })
      assert.deepStrictEqual(both.filter((found) => found !== undefined), [held])
      assert.isUndefined(yield* b.redeem(ticket))
    }))
})
