// Goal: a backend is who it was yesterday, or does not start.
// Method: an identity over an encrypted key file, stopped between its steps, with each of its parts lost or exchanged.
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Redacted, Result } from "effect"
import { BackendIdentity, identityLayer, loadIdentity } from "../../../src/security/BackendIdentity.ts"
import { parseCommit, verifyCommit } from "../../../src/security/commit.ts"
import { digestOf } from "../../../src/security/digest.ts"
import { keyFileLayer } from "../../../src/security/keyFile.ts"
import { generateKeys, keyId } from "../../../src/security/keys.ts"
import { account, Keystore } from "../../../src/security/Keystore.ts"
import { localBackendId } from "../../../src/security/peerId.ts"
import { verifyIdentityProof } from "../../../src/security/proofs.ts"
import { dataKeyBytes, newDataKey } from "../../../src/security/sealing.ts"
import { newSecretKey } from "../../../src/security/secretKey.ts"
import { wrapDataKey } from "../../../src/security/wrapping.ts"

const backendId = localBackendId("machine", "instance")
const optionsIn = (folder: string) => ({ backendId, backendType: "local" as const, capabilities: ["sync"], file: join(folder, "identity.json") })

/** A folder with a keystore of its own. */
const home = Effect.gen(function*() {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-identity-"))),
    (path) => Effect.sync(() => rmSync(path, { recursive: true }))
  )
  const layer = keyFileLayer(join(folder, "keystore.json"), { kind: "master", key: newSecretKey(), from: "a test" })
  return { folder, layer, file: join(folder, "identity.json") }
})

describe("a backend's identity", () => {
  it.live("is made once and stays, with everything it signs and opens", () =>
    Effect.gen(function*() {
      const { file, folder, layer } = yield* home
      yield* Effect.gen(function*() {
        const first = yield* loadIdentity(optionsIn(folder))
        const second = yield* loadIdentity(optionsIn(folder))
        assert.deepStrictEqual(second.identity, first.identity)
        assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")), first.identity)
        assert.strictEqual(statSync(file).mode & 0o777, 0o600)
        assert.strictEqual(first.keyId, keyId(first.identity.public_key))
        assert.notStrictEqual(first.identity.public_key, first.identity.wrap_key)

        const bytes = yield* second.signCommit({
          author: "hosted", sync_id: "s", journal: "j", from: 1, to: 1, ids: digestOf("a"), hashes: [], prev: "",
          seen: { log_seq: 0, head: "" }, time: "2026-11-22T10:00:00.000Z"
        })
        assert.isTrue(verifyCommit(Result.getOrThrow(parseCommit(bytes)), first.identity.public_key))
        assert.isTrue(verifyIdentityProof(first.identity, "c", yield* second.prove("c")))
        const key = newDataKey("t_abcdefghijklmnop.1")
        const opened = yield* second.unwrap(yield* wrapDataKey(key, first.identity.wrap_key))
        assert.deepStrictEqual(dataKeyBytes(opened), dataKeyBytes(key))
      }).pipe(Effect.provide(layer))
    }))

  it.live("goes on with the keys it has when it was stopped between its steps", () =>
    Effect.gen(function*() {
      const { file, folder, layer } = yield* home
      yield* Effect.gen(function*() {
        const keystore = yield* Keystore
        const first = yield* loadIdentity(optionsIn(folder))
        rmSync(file)
        assert.deepStrictEqual((yield* loadIdentity(optionsIn(folder))).identity, first.identity)
        rmSync(file)
        yield* keystore.delete(account(backendId, "wrap"))
        const third = yield* loadIdentity(optionsIn(folder))
        assert.strictEqual(third.identity.public_key, first.identity.public_key)
        assert.strictEqual(third.identity.created_at, first.identity.created_at)
      }).pipe(Effect.provide(layer))
    }))

  it.live("is never made anew over an old one", () =>
    Effect.gen(function*() {
      const { file, folder, layer } = yield* home
      yield* Effect.gen(function*() {
        const keystore = yield* Keystore
        yield* loadIdentity(optionsIn(folder))
        const before = readFileSync(file, "utf8")
        for (const kind of ["signing", "wrap"] as const) {
          const name = account(backendId, kind)
          const secret = Option.getOrThrow(yield* keystore.get(name))
          yield* keystore.delete(name)
          const missing = yield* Effect.flip(loadIdentity(optionsIn(folder)))
          assert.strictEqual(missing._tag, "PrivateKeyMissing")
          assert.isTrue(Option.isNone(yield* keystore.get(name)))

          const { privatePem } = yield* generateKeys
          yield* keystore.set(name, Redacted.make(JSON.stringify({ v: 1, created_at: "2026-11-22T10:00:00.000Z", private_key: Redacted.value(privatePem) })))
          const mismatch = yield* Effect.flip(loadIdentity(optionsIn(folder)))
          assert.strictEqual(mismatch._tag, "IdentityMismatch")

          yield* keystore.set(name, Redacted.make("-----BEGIN PRIVATE KEY----- c2VjcmV0"))
          const unreadable = yield* Effect.flip(loadIdentity(optionsIn(folder)))
          assert.strictEqual(unreadable._tag, "IdentityUnreadable")
          assert.notInclude(JSON.stringify(unreadable), "c2VjcmV0")
          yield* keystore.set(name, secret)
        }
        assert.strictEqual(readFileSync(file, "utf8"), before)
        yield* loadIdentity(optionsIn(folder))
      }).pipe(Effect.provide(layer))
    }))

  it.live("is refused from another machine's folder, or from a file that is none", () =>
    Effect.gen(function*() {
      const one = yield* home
      const two = yield* home
      yield* loadIdentity(optionsIn(one.folder)).pipe(Effect.provide(one.layer))
      yield* loadIdentity(optionsIn(two.folder)).pipe(Effect.provide(two.layer))
      copyFileSync(one.file, two.file)
      assert.strictEqual((yield* Effect.flip(loadIdentity(optionsIn(two.folder))).pipe(Effect.provide(two.layer)))._tag, "IdentityMismatch")
      const elsewhere = { ...optionsIn(one.folder), backendId: localBackendId("other machine", "instance") }
      assert.strictEqual((yield* Effect.flip(loadIdentity(elsewhere)).pipe(Effect.provide(one.layer)))._tag, "IdentityMismatch")
      for (const text of ["", "{}", "nonsense"]) {
        writeFileSync(one.file, text)
        assert.strictEqual((yield* Effect.flip(loadIdentity(optionsIn(one.folder))).pipe(Effect.provide(one.layer)))._tag, "IdentityUnreadable")
        assert.strictEqual(readFileSync(one.file, "utf8"), text)
      }
    }))

  it.live("tells its newest capabilities, and shows no private key", () =>
    Effect.gen(function*() {
      const { file, folder, layer } = yield* home
      yield* loadIdentity(optionsIn(folder)).pipe(Effect.provide(layer))
      const grown = { ...optionsIn(folder), capabilities: ["sync", "telemetry"] }
      const me = yield* BackendIdentity.pipe(Effect.provide(identityLayer(grown).pipe(Layer.provide(layer))))
      assert.deepStrictEqual(me.identity.capabilities, ["sync", "telemetry"])
      assert.deepStrictEqual(JSON.parse(readFileSync(file, "utf8")).capabilities, ["sync", "telemetry"])
      assert.notInclude(JSON.stringify(me) + readFileSync(file, "utf8"), "PRIVATE")
      assert.isTrue(existsSync(file))
    }))
})
