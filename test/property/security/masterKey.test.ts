// Goal: records at rest open under their key, in their place, unchanged; a master key is never made over data.
// Method: every one-byte change of a record; the environment and an encrypted key file as sources.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted, Result, Schema } from "effect"
import { keyFileLayer } from "../../../src/security/keyFile.ts"
import { Keystore } from "../../../src/security/Keystore.ts"
import { masterKeyFromEnvironment, masterKeyFromKeystore } from "../../../src/security/masterKey.ts"
import { decryptBytesUnder, decryptUnder, encryptUnder, newSecretKey, secretKey } from "../../../src/security/secretKey.ts"

const withEnvironment = (env: Record<string, string>) => Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

describe("records under a key", () => {
  it.prop("open where they belong, and nowhere else", [Schema.String, Schema.String], ([text, context]) => {
    const key = newSecretKey()
    const plain = text.toWellFormed()
    const record = encryptUnder(key, plain, context)
    assert.deepStrictEqual(decryptUnder(key, record, context), Result.succeed(plain))
    assert.isTrue(Result.isFailure(decryptUnder(key, record, `${context}.`)))
    return Result.isFailure(decryptUnder(newSecretKey(), record, context))
  })

  it("do not open with any byte changed or cut", () => {
    const key = newSecretKey()
    const record = encryptUnder(key, Buffer.from("a tenant's key"), "tenant.t")
    assert.deepStrictEqual(Result.map(decryptBytesUnder(key, record, "tenant.t"), (bytes) => [...bytes]), Result.succeed([...Buffer.from("a tenant's key")]))
    for (let at = 0; at < record.length; at++) {
      const changed = Uint8Array.from(record)
      changed[at]! ^= 1
      assert.isTrue(Result.isFailure(decryptUnder(key, changed, "tenant.t")), String(at))
      assert.isTrue(Result.isFailure(decryptUnder(key, record.subarray(0, at), "tenant.t")), String(at))
    }
    assert.throws(() => secretKey(new Uint8Array(31)), RangeError)
  })
})

describe("the master key", () => {
  it.effect("comes from MAESTRA_MASTER_KEY in exactly one format", () =>
    Effect.gen(function*() {
      const bytes = Buffer.alloc(32, 9)
      const key = yield* masterKeyFromEnvironment.pipe(withEnvironment({ MAESTRA_MASTER_KEY: bytes.toString("base64url") }))
      const { from, key: given } = Option.getOrThrow(key)
      assert.deepStrictEqual([given.export(), from], [bytes, "MAESTRA_MASTER_KEY"])
      assert.isTrue(Option.isNone(yield* masterKeyFromEnvironment.pipe(withEnvironment({}))))
      assert.isTrue(Option.isNone(yield* masterKeyFromEnvironment.pipe(withEnvironment({ MAESTRA_MASTER_KEY: "" }))))
      for (const text of ["password", bytes.toString("base64"), bytes.toString("hex"), bytes.subarray(1).toString("base64url")]) {
        const error = yield* Effect.flip(masterKeyFromEnvironment.pipe(withEnvironment({ MAESTRA_MASTER_KEY: text })))
        assert.strictEqual(error._tag, "MasterKeyMalformed")
        assert.notInclude(JSON.stringify(error), text)
      }
    }))

  it.live("comes from a file as well, and one that cannot be read is an error, not another key", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "maestra-master-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const bytes = Buffer.alloc(32, 9)
      const at = (name: string, text?: string) => {
        if (text !== undefined) writeFileSync(join(folder, name), text)
        return masterKeyFromEnvironment.pipe(withEnvironment({ MAESTRA_MASTER_KEY_FILE: join(folder, name) }))
      }
      const { from, key } = Option.getOrThrow(yield* at("key", `${bytes.toString("base64url")}\n`))
      assert.deepStrictEqual([key.export(), from], [bytes, `${join(folder, "key")} (MAESTRA_MASTER_KEY_FILE)`])
      assert.strictEqual((yield* Effect.flip(at("missing")))._tag, "SecretUnreadable")
      assert.strictEqual((yield* Effect.flip(at("empty", "\n")))._tag, "SecretUnreadable")
      const wrong = yield* Effect.flip(at("wrong", "password"))
      assert.strictEqual(wrong._tag, "MasterKeyMalformed")
      assert.notInclude(JSON.stringify(wrong), "password")
    }))

  it.live("is made once in the keystore, and only where nothing is encrypted yet", () =>
    Effect.gen(function*() {
      const folder = mkdtempSync(join(tmpdir(), "maestra-master-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true })))
      const keystore = keyFileLayer(join(folder, "keys"), { kind: "passphrase", passphrase: Redacted.make("pw"), from: "a test" })
      yield* Effect.gen(function*() {
        const missing = yield* Effect.flip(masterKeyFromKeystore({ account: "h/master", mayCreate: false }))
        assert.strictEqual(missing._tag, "MasterKeyMissing")
        const made = yield* masterKeyFromKeystore({ account: "h/master", mayCreate: true })
        for (const mayCreate of [true, false]) {
          assert.isTrue((yield* masterKeyFromKeystore({ account: "h/master", mayCreate })).key.equals(made.key))
        }
        yield* (yield* Keystore).set("h/master", Redacted.make("short"))
        assert.strictEqual((yield* Effect.flip(masterKeyFromKeystore({ account: "h/master", mayCreate: true })))._tag, "MasterKeyMalformed")
      }).pipe(Effect.provide(keystore))
    }))
})
