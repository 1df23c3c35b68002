import { hkdf, randomBytes, scrypt } from "node:crypto"
import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { promisify } from "node:util"
import { Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { canonicalJson } from "./canonical.ts"
import { digestOf, fromBase64url, toBase64url } from "./digest.ts"
import { withFileLock } from "./fileLock.ts"
import { Keystore, KeystoreDamaged, KeystoreUnusable, WrongMasterKey, WrongPassphrase } from "./Keystore.ts"
import { readIfThere } from "./readIfThere.ts"
import { replaceFile } from "./replaceFile.ts"
import { decryptUnder, encryptUnder, type SecretKey, secretKey } from "./secretKey.ts"

/** The key a hosted backend's stored keys are encrypted under. `from`: where it was found, for whoever has to put it right. */
export interface MasterKey {
  readonly kind: "master"
  readonly key: SecretKey
  readonly from: string
}

/** What opens the file: a person's passphrase, or (hosted) the master key. */
export type KeyFileSecret = { readonly kind: "passphrase"; readonly passphrase: Redacted.Redacted<string>; readonly from: string } | MasterKey

type KeyFileError = WrongPassphrase | WrongMasterKey | KeystoreDamaged | KeystoreUnusable

const scryptMin = 2 ** 15
/** A changed file must not make us take gigabytes: 2^18 takes 256 MiB. */
const scryptMax = 2 ** 18
/** 64 MiB and about 0.2 s for each guess. */
const scryptNew = { name: "scrypt", N: 2 ** 16, r: 8, p: 1 } as const

const Salt = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{22}$/))
const Kdf = Schema.Union([
  Schema.Struct({
    name: Schema.Literal("scrypt"),
    N: Schema.Int.check(Schema.isBetween({ minimum: scryptMin, maximum: scryptMax }), Schema.makeFilter((n) => (n & (n - 1)) === 0)),
    r: Schema.Literal(8),
    p: Schema.Literal(1),
    salt: Salt
  }),
  Schema.Struct({ name: Schema.Literal("hkdf-sha256"), salt: Salt })
])
type Kdf = typeof Kdf.Type

/**
 * The file. `check`: of the derived key, tells a wrong passphrase from a damaged file. `data`: the entries,
 * AES-256-GCM. `sum`: SHA-256 of the canonical JSON of the rest, tells damage from everything else.
 */
const KeyFile = Schema.Struct({
  v: Schema.Literal(1),
  kdf: Kdf,
  check: Schema.String,
  data: Schema.String,
  sum: Schema.String
})
const readKeyFile = Schema.decodeUnknownResult(Schema.fromJsonString(KeyFile))
const Entries = Schema.Record(Schema.String, Schema.String)
type Entries = typeof Entries.Type
const readEntries = Schema.decodeUnknownResult(Schema.fromJsonString(Entries))

interface Derived {
  readonly kdf: Kdf
  readonly key: SecretKey
  readonly check: string
}

/** An opened key file: where it is, what opens it, and the key last derived (slow on purpose, so once for each salt). */
interface Vault {
  readonly file: string
  readonly secret: KeyFileSecret
  derived: Derived | undefined
}

/** Open (or begin) an encrypted key file. A wrong secret and a damaged file show here, not at the first use. */
export const openKeyFile = (file: string, secret: KeyFileSecret): Effect.Effect<Keystore["Service"], KeyFileError> =>
  Effect.suspend(() => {
    const vault: Vault = { file, secret, derived: undefined }
    return Effect.as(read(vault), Keystore.of({
      kind: "file",
      get: (account) =>
        Effect.map(read(vault), (entries) =>
          Object.hasOwn(entries, account) ? Option.some(Redacted.make(entries[account]!)) : Option.none()),
      set: (account, value) => update(vault, (entries) => [undefined, { ...entries, [account]: Redacted.value(value) }]),
      delete: (account) =>
        update(vault, (entries) => {
          if (!Object.hasOwn(entries, account)) return [false, entries]
          const { [account]: _, ...rest } = entries
          return [true, rest]
        })
    }))
  })

/** The same entries under another secret, in one step: the file opens under the one or the other. Under the new one already, it stays. */
export const rekeyFile = (file: string, from: KeyFileSecret, to: KeyFileSecret): Effect.Effect<void, KeyFileError> =>
  locked(file, Effect.gen(function*() {
    const next: Vault = { file, secret: to, derived: undefined }
    const done = yield* Effect.result(read(next))
    if (Result.isSuccess(done)) return
    if (done.failure._tag !== "WrongPassphrase" && done.failure._tag !== "WrongMasterKey") return yield* done.failure
    yield* write({ ...next, derived: undefined }, yield* read({ file, secret: from, derived: undefined }))
  }))

/** An encrypted file as the keystore. */
export const keyFileLayer = (file: string, secret: KeyFileSecret): Layer.Layer<Keystore, KeyFileError> =>
  Layer.effect(Keystore, openKeyFile(file, secret))

const read = (vault: Vault): Effect.Effect<Entries, KeyFileError> =>
  Effect.gen(function*() {
    const { file, secret } = vault
    const text = yield* contentOf(file)
    if (text === undefined) return {}
    const stored = readKeyFile(text)
    if (Result.isFailure(stored)) return yield* damaged(file, "it is not a key file")
    const { sum, ...rest } = stored.success
    if (digestOf(canonicalJson(rest)) !== sum) return yield* damaged(file, "its checksum does not match")
    if (rest.kdf.name !== kdfName(secret)) return yield* wrongSecret(file, secret)
    const { check, key } = yield* derivedFor(vault, rest.kdf)
    if (check !== rest.check) return yield* wrongSecret(file, secret)
    const plain = decryptUnder(key, fromBase64url(rest.data) ?? new Uint8Array(), contextOf(rest.kdf))
    const entries = Result.isSuccess(plain) ? readEntries(plain.success) : undefined
    if (entries === undefined || Result.isFailure(entries)) return yield* damaged(file, "its content does not decrypt")
    return entries.success
  })

const write = (vault: Vault, entries: Entries) =>
  Effect.gen(function*() {
    const { check, kdf, key } = yield* derivedFor(vault, vault.derived?.kdf ?? newKdf(vault.secret))
    const data = toBase64url(encryptUnder(key, canonicalJson(entries), contextOf(kdf)))
    const body = { v: 1, kdf, check, data }
    const text = `${JSON.stringify({ ...body, sum: digestOf(canonicalJson(body)) })}\n`
    yield* attempt(vault.file, () => replaceFile(vault.file, text))
  })

/** Read, change, write: no other process in between. */
const update = <A>(vault: Vault, change: (entries: Entries) => readonly [A, Entries]): Effect.Effect<A, KeyFileError> =>
  attempt(vault.file, () => mkdir(dirname(vault.file), { recursive: true, mode: 0o700 })).pipe(
    Effect.andThen(locked(vault.file, Effect.gen(function*() {
      const before = yield* read(vault)
      const [answer, after] = change(before)
      if (after !== before) yield* write(vault, after)
      return answer
    }))))

const locked = <A>(file: string, act: Effect.Effect<A, KeyFileError>): Effect.Effect<A, KeyFileError> =>
  withFileLock(file, act).pipe(
    Effect.catchTag("LockFailed", ({ held, why }) => {
      const hint = held ? `Another maestra process holds ${file}. If none is running, delete ${file}.lock.` : unusableHint(file)
      return Effect.fail(new KeystoreUnusable({ file, why, hint }))
    }))

const derivedFor = (vault: Vault, kdf: Kdf): Effect.Effect<Derived> =>
  Effect.gen(function*() {
    const held = vault.derived
    if (held !== undefined && canonicalJson(held.kdf) === canonicalJson(kdf)) return held
    const bytes = yield* derive(kdf, vault.secret)
    const derived = { kdf, key: secretKey(bytes.subarray(0, 32)), check: digestOf(bytes.subarray(32)) }
    vault.derived = derived
    return derived
  })

const kdfName = (secret: KeyFileSecret): Kdf["name"] => secret.kind === "passphrase" ? "scrypt" : "hkdf-sha256"

const newKdf = (secret: KeyFileSecret): Kdf => {
  const salt = randomBytes(16).toString("base64url")
  return secret.kind === "passphrase" ? { ...scryptNew, salt } : { name: "hkdf-sha256", salt }
}

/** Where the content belongs: a changed header does not open it. */
const contextOf = (kdf: Kdf): string => `keystore ${canonicalJson(kdf)}`

const scryptAsync = promisify<string, Buffer, number, { N: number; r: number; p: number; maxmem: number }, Buffer>(scrypt)
const hkdfAsync = promisify(hkdf)

/** 64 bytes: the key, then what the check is made of. */
const derive = (kdf: Kdf, secret: KeyFileSecret): Effect.Effect<Buffer> =>
  Effect.promise(async () => {
    const salt = Buffer.from(kdf.salt, "base64url")
    if (kdf.name === "scrypt" && secret.kind === "passphrase") {
      // one passphrase can be typed as several sequences of code points
      const text = Redacted.value(secret.passphrase).normalize("NFKC")
      return scryptAsync(text, salt, 64, { N: kdf.N, r: kdf.r, p: kdf.p, maxmem: 256 * kdf.N * kdf.r })
    }
    if (secret.kind === "master") return Buffer.from(await hkdfAsync("sha256", secret.key, salt, "maestra-keystore-v1", 64))
    throw new Error("a key file is derived the way its secret says")
  })

const contentOf = (file: string): Effect.Effect<string | undefined, KeystoreUnusable> =>
  attempt(file, () => readIfThere(file))

const attempt = <A>(file: string, act: () => Promise<A>): Effect.Effect<A, KeystoreUnusable> =>
  Effect.tryPromise({
    try: act,
    catch: (cause) => new KeystoreUnusable({ file, why: cause instanceof Error ? cause.message : "unknown", hint: unusableHint(file) })
  })

const unusableHint = (file: string): string => `Make sure ${file} and its folder belong to you and the disk is not full.`

const wrongSecret = (file: string, { from, kind }: KeyFileSecret) =>
  kind === "passphrase"
    ? new WrongPassphrase({ file, from, hint: "Set MAESTRA_KEYSTORE_PASSPHRASE (or MAESTRA_KEYSTORE_PASSPHRASE_FILE to a file with it) to the passphrase that file was made with. Nothing was changed." })
    : new WrongMasterKey({ file, from, hint: "Set MAESTRA_MASTER_KEY (or MAESTRA_MASTER_KEY_FILE to a file with it) to the key this deployment runs under. Nothing was changed; a new key would open nothing that is here." })

const damaged = (file: string, why: string) =>
  new KeystoreDamaged({
    file,
    why,
    hint: `Put a copy of ${file} back. Without one, remove it and pair this device again; its old registration should be revoked.`
  })
