// Goal: an encrypted key file keeps secrets, gives them to its passphrase only, and is never half written.
// Method: the keystore suite, every one-byte change of the file, wrong passphrases, several processes' locks.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted } from "effect"
import { keystoreLayer } from "../../../src/security/chooseKeystore.ts"
import { type KeyFileSecret, keyFileLayer, openKeyFile } from "../../../src/security/keyFile.ts"
import { Keystore } from "../../../src/security/Keystore.ts"
import { newSecretKey } from "../../../src/security/secretKey.ts"
import { keystoreSuite } from "../../support/keystoreSuite.ts"

const passphrase = (text: string): KeyFileSecret => ({ kind: "passphrase", passphrase: Redacted.make(text), from: "a test" })
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "maestra-keys-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

for (const secret of [passphrase("correct horse"), { kind: "master", key: newSecretKey(), from: "a test" } as const]) {
  describe(`a key file under a ${secret.kind}`, () => {
    for (const [title, check] of Object.entries(keystoreSuite)) {
      it.live(title, () =>
        Effect.gen(function*() {
          const file = join(yield* folder, "deep", "keystore.json")
          yield* check.pipe(Effect.provide(keyFileLayer(file, secret)))
        }))
    }
  })
}

describe("a key file", () => {
  it.live("is for its owner's eyes, holds nothing in the open and leaves nothing beside it", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "data", "keystore.json")
      const keystore = yield* openKeyFile(file, passphrase("a phrase too long for chance"))
      assert.isFalse(existsSync(file))
      yield* keystore.set("backend/signing", Redacted.make("-----BEGIN PRIVATE KEY-----"))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.strictEqual(statSync(join(file, "..")).mode & 0o777, 0o700)
      assert.deepStrictEqual(readdirSync(join(file, "..")), ["keystore.json"])
      const text = readFileSync(file, "utf8")
      for (const word of ["PRIVATE", "backend", "signing", "a phrase"]) assert.notInclude(text, word)
      assert.isAtLeast(JSON.parse(text).kdf.N, 2 ** 15)
    }))

  it.live("opens with its passphrase, however its characters were typed, and no other", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      yield* (yield* openKeyFile(file, passphrase("caf\u00e9"))).set("a", Redacted.make("s"))
      const again = yield* openKeyFile(file, passphrase("cafe\u0301"))
      assert.isTrue(Option.isSome(yield* again.get("a")))
      const before = readFileSync(file, "utf8")
      for (const wrong of [passphrase("cafe"), passphrase(""), { kind: "master", key: newSecretKey(), from: "a test" } as const]) {
        const error = yield* Effect.flip(openKeyFile(file, wrong))
        const [tag, what, setting] = wrong.kind === "master" ? ["WrongMasterKey", "master key", "MAESTRA_MASTER_KEY"] : ["WrongPassphrase", "passphrase", "MAESTRA_KEYSTORE_PASSPHRASE"]
        assert.deepStrictEqual([error._tag, error.message], [tag, `the ${what} in a test does not open ${file}`])
        assert.include(error.hint, setting)
      }
      assert.strictEqual(readFileSync(file, "utf8"), before)
    }))

  it.live("is damaged with any one byte changed, and left as it is", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      const keystore = yield* openKeyFile(file, { kind: "master", key: newSecretKey(), from: "a test" })
      yield* keystore.set("a", Redacted.make("s"))
      const good = readFileSync(file)
      // the last byte is the line's end
      for (let at = 0; at < good.length - 1; at++) {
        const changed = Uint8Array.from(good)
        changed[at]! ^= 1
        writeFileSync(file, changed)
        const error = yield* Effect.flip(keystore.get("a"))
        assert.strictEqual(error._tag, "KeystoreDamaged", String(at))
        const refused = yield* Effect.flip(keystore.set("b", Redacted.make("t")))
        assert.strictEqual(refused._tag, "KeystoreDamaged", String(at))
        assert.deepStrictEqual(Uint8Array.from(readFileSync(file)), changed)
      }
      writeFileSync(file, good)
      assert.isTrue(Option.isSome(yield* keystore.get("a")))
    }))

  it.live("made with a cost out of bounds is refused before the cost is paid", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      yield* (yield* openKeyFile(file, passphrase("pw"))).set("a", Redacted.make("s"))
      const stored = JSON.parse(readFileSync(file, "utf8"))
      for (const N of [1, 2 ** 14, 2 ** 16 + 1, 2 ** 30]) {
        writeFileSync(file, JSON.stringify({ ...stored, kdf: { ...stored.kdf, N } }))
        assert.strictEqual((yield* Effect.flip(openKeyFile(file, passphrase("pw"))))._tag, "KeystoreDamaged")
      }
    }))

  it.live("says so when it cannot be read or written", () =>
    Effect.gen(function*() {
      const base = yield* folder
      mkdirSync(join(base, "keystore.json"))
      assert.strictEqual((yield* Effect.flip(openKeyFile(join(base, "keystore.json"), passphrase("pw"))))._tag, "KeystoreUnusable")
      writeFileSync(join(base, "plain"), "")
      const below = yield* Effect.flip(
        Effect.flatMap(openKeyFile(join(base, "plain", "keystore.json"), passphrase("pw")), (keystore) => keystore.set("a", Redacted.make("s")))
      )
      assert.strictEqual(below._tag, "KeystoreUnusable")
    }))

  it.live("loses no write of several keystores over one file", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      const key: KeyFileSecret = { kind: "master", key: newSecretKey(), from: "a test" }
      const three = yield* Effect.all([openKeyFile(file, key), openKeyFile(file, key), openKeyFile(file, key)])
      yield* Effect.forEach(
        Array.from({ length: 30 }, (_, n) => n),
        (n) => three[n % 3]!.set(`a-${n}`, Redacted.make(String(n))),
        // nobody waits for more than five others
        { concurrency: 6, discard: true }
      )
      for (let n = 0; n < 30; n++) assert.isTrue(Option.isSome(yield* three[0].get(`a-${n}`)), String(n))
      assert.deepStrictEqual(readdirSync(join(file, "..")), ["keystore.json"])
    }))

  it.live("takes over the lock of a process that is gone", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      const gone = spawnSync(process.execPath, ["-e", ""]).pid
      writeFileSync(`${file}.lock`, `${gone}\n`)
      yield* (yield* openKeyFile(file, { kind: "master", key: newSecretKey(), from: "a test" })).set("a", Redacted.make("s"))
      assert.isFalse(existsSync(`${file}.lock`))
    }))
})

describe("the choice", () => {
  const chosen = (file: string, env: Record<string, string>) =>
    Keystore.use(({ kind }) => Effect.succeed(kind)).pipe(
      Effect.provide(keystoreLayer({ file }).pipe(Layer.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))))
    )

  it.live("is the encrypted file where a passphrase is set", () =>
    Effect.gen(function*() {
      const file = join(yield* folder, "keystore.json")
      assert.strictEqual(yield* chosen(file, { MAESTRA_KEYSTORE_PASSPHRASE: "pw" }), "file")
      yield* (yield* openKeyFile(file, passphrase("pw"))).set("a", Redacted.make("s"))
      assert.strictEqual((yield* Effect.flip(chosen(file, { MAESTRA_KEYSTORE_PASSPHRASE: "other" })))._tag, "WrongPassphrase")
    }))
})
