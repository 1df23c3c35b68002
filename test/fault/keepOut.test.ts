/**
 * Goal: whoever was revoked stays out when an older tenant store is put back, a companion of the hosted backend too, which has no leaf to cut.
 * Method: tenants in memory that forget a revocation, over the files beside the store.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { openGoneList } from "../../src/hosted/goneList.ts"
import { keepOut } from "../../src/hosted/keepOut.ts"
import type { TenantRecord } from "../../src/hosted/TenantRecord.ts"
import { makeTenants } from "../../src/hosted/Tenants.ts"
import { makeMemoryKeyValue } from "../../src/nats/keyValue.ts"
import { newSecretKey } from "../../src/security/secretKey.ts"
import { makeTenant, registrationEnds } from "../simulation/identities.ts"

const folder = Effect.acquireRelease(Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-gone-"))), (path) => Effect.sync(() => rmSync(path, { recursive: true })))

describe("a restored tenant store", () => {
  it.live("lets nobody in who was revoked after it was saved", () =>
    Effect.gen(function*() {
      const dataDir = yield* folder
      const { record } = makeTenant("a", [0, 1, 2], [], () => registrationEnds)
      const [phone, local, other] = record.devices.map(({ peer_id }) => peer_id)
      const restored: TenantRecord = { ...record, devices: record.devices.map((device) => ({ ...device, transport_keys: device.peer_id === phone ? [] : [`U${device.peer_id}`] })) }
      // the phone was revoked while the list was kept; the other's leaf stands in the hub's own list
      const remember = yield* openGoneList(dataDir)
      yield* remember([{ backend_id: record.devices[0]!.backend_id, peer_id: phone!, what: "revoked", at: "2026-11-22T10:00:00.000Z", transport_keys: [] }])
      writeFileSync(join(dataDir, "revocations.json"), JSON.stringify({ [`U${other}`]: 1 }))

      const tenants = yield* makeTenants(yield* makeMemoryKeyValue("TENANTS"), newSecretKey(), "deployment")
      yield* tenants.ofUserOrNew(restored.user_id, () => restored, restored.tenant)
      const cut: Array<string> = []
      yield* keepOut({ dataDir, tenants, cutting: { cut: ({ gone }) => Effect.sync(() => { cut.push(...gone.map(({ peer_id }) => peer_id)) }) } })
      const after = tenants.peek(restored.tenant)!
      assert.deepStrictEqual(after.devices.map(({ peer_id }) => peer_id), [local])
      assert.sameMembers(after.gone.map(({ peer_id }) => peer_id), [phone, other])
      assert.sameMembers(cut, [phone, other])

      // what is noted is noted once, and nothing in it opens anything
      yield* remember(after.gone)
      assert.sameMembers(Object.keys(JSON.parse(readFileSync(join(dataDir, "gone.json"), "utf8"))), [phone, other])
      writeFileSync(join(dataDir, "gone.json"), "{")
      assert.strictEqual((yield* Effect.flip(openGoneList(dataDir)))._tag, "RevocationsUnreadable")
    }))
})
