// Goal: ids are the same wherever they are computed, and are always safe in a subject.
// Method: known digests, random outside ids, a machine without an id of its own.
import { createHash, createHmac } from "node:crypto"
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { BackendId, isToken, PeerId, TenantId } from "../../../streams/ids.ts"
import { generateKeys, keyId } from "../../../src/security/keys.ts"
import { machineId } from "../../../src/security/machineId.ts"
import { companionBackendId, hostedBackendId, localBackendId, newTenantId, peerIdOf } from "../../../src/security/peerId.ts"
import { dataKeyBytes, newDataKey } from "../../../src/security/sealing.ts"
import { journalToken, sharedId } from "../../../src/security/sharedId.ts"

const hex = (text: string) => createHash("sha256").update(text).digest("hex")

describe("ids", () => {
  it.effect("of peers and backends follow the contract", () =>
    Effect.gen(function*() {
      const local = localBackendId("machine", "instance")
      assert.strictEqual(local, `local_sha256_${hex("machine\0instance")}`)
      assert.notStrictEqual(localBackendId("ma", "chineinstance"), localBackendId("machine", "instance"))
      assert.strictEqual(hostedBackendId("d"), `hosted_sha256_${hex("d")}`)
      assert.strictEqual(peerIdOf("t_abcdefghijklmnop", local), `peer_${hex(`t_abcdefghijklmnop\0${local}`).slice(0, 16)}`)
      const { publicPem } = yield* generateKeys
      const companion = Result.getOrThrow(companionBackendId("ios", publicPem))
      assert.strictEqual(companion, `ios_sha256_${Buffer.from(keyId(publicPem), "base64url").toString("hex")}`)
      for (const id of [local, companion]) assert.isTrue(Schema.is(BackendId)(id))
      assert.isTrue(Schema.is(PeerId)(peerIdOf("t", local)))
      const tenants = Array.from({ length: 1000 }, newTenantId)
      assert.isTrue(tenants.every(Schema.is(TenantId)))
      assert.strictEqual(new Set(tenants).size, 1000)
    }))

  it.prop("from outside become tokens, each its own", [Schema.String, Schema.String], ([one, other]) => {
    const key = newDataKey("t_abcdefghijklmnop.1")
    const ids = [one.toWellFormed(), other.toWellFormed(), journalToken(`${one.toWellFormed()}.`)]
    for (const map of [journalToken, (id: string) => sharedId(key, id)]) {
      assert.isTrue(ids.every((id) => isToken(map(id))))
      assert.strictEqual(new Set(ids.map(map)).size, new Set(ids).size)
    }
    return true
  })

  it("shared with others tell nothing without the data key", () => {
    const key = newDataKey("t_abcdefghijklmnop.1")
    const mac = createHmac("sha256", dataKeyBytes(key)).update("maestra-id-v1\0me@example.org").digest("base64url")
    assert.strictEqual(sharedId(key, "me@example.org"), `h_${mac}`)
    assert.strictEqual(journalToken("plain-token_1"), "plain-token_1")
    assert.strictEqual(journalToken("a b"), `x_${createHash("sha256").update("a b").digest("base64url")}`)
    assert.notStrictEqual(journalToken(journalToken("a b")), journalToken("a b"))
  })

  it.effect("of a machine stay the same", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "maestra-machine-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const file = join(folder, "data", "machine-id")
      const id = yield* machineId(file, [])
      assert.match(id, /^[0-9a-f]{32}$/)
      assert.strictEqual(readFileSync(file, "utf8"), `${id}\n`)
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(yield* machineId(file, []), id)
      assert.strictEqual(yield* machineId(join(folder, "other"), [file]), id)
      assert.strictEqual((yield* Effect.flip(machineId(join(file, "below-a-file", "id"), [])))._tag, "MachineIdUnavailable")
    }))
})
