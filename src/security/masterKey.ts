import { Effect, Option, Redacted, Schema } from "effect"
import { fromBase64url, toBase64url } from "./digest.ts"
import type { MasterKey } from "./keyFile.ts"
import { Keystore, type KeystoreError } from "./Keystore.ts"
import { type Given, secretSetting } from "./secretSetting.ts"
import { newSecretKey, secretKey, secretKeyBytes } from "./secretKey.ts"

/** The master key given is not 32 bytes in base64url. Nothing was opened or changed. */
export class MasterKeyMalformed extends Schema.TaggedError<MasterKeyMalformed>()("MasterKeyMalformed", { where: Schema.String, hint: Schema.String }) {}

/** There is data under a master key, but the key is not there. No new one was made: it would open nothing. */
export class MasterKeyMissing extends Schema.TaggedError<MasterKeyMissing>()("MasterKeyMissing", { account: Schema.String, hint: Schema.String }) {}

export const makeOne = "Make one with: openssl rand 32 | basenc --base64url | tr -d =  (43 characters)."

export const masterKeyMissing = (account: string) =>
  new MasterKeyMissing({ account, hint: "Set MAESTRA_MASTER_KEY (or MAESTRA_MASTER_KEY_FILE to a file with it) to the key this deployment runs under, or put the keystore's copy back. Without it the tenants' keys cannot be opened." })

const read = ({ from, secret }: Given): Effect.Effect<MasterKey, MasterKeyMalformed> => {
  const bytes = fromBase64url(Redacted.value(secret).trim())
  return bytes?.length === secretKeyBytes
    ? Effect.succeed({ kind: "master", key: secretKey(bytes), from })
    : Effect.fail(new MasterKeyMalformed({ where: from, hint: `${from} is not 32 bytes in base64url without padding. ${makeOne}` }))
}

/**
 * The master key from `MAESTRA_MASTER_KEY` or the file `MAESTRA_MASTER_KEY_FILE` names, where one is set: exactly 32
 * bytes as base64url without padding, 43 characters. Needs no keystore.
 */
export const masterKeyFromEnvironment = Effect.suspend(() => masterKeySetting("MAESTRA_MASTER_KEY"))

/** The same from another setting: the one that follows it. */
export const masterKeySetting = Effect.fnUntraced(function*(name: string) {
  const given = yield* secretSetting(name)
  return Option.isSome(given) ? Option.some(yield* read(given.value)) : Option.none()
})

/**
 * The master key kept in the keystore. `mayCreate`: nothing is encrypted under one yet, so that a missing key
 * is made; otherwise a missing key is an error.
 */
export const masterKeyFromKeystore = (options: {
  readonly account: string
  readonly mayCreate: boolean
}): Effect.Effect<MasterKey, MasterKeyMalformed | MasterKeyMissing | KeystoreError, Keystore> =>
  Effect.gen(function*() {
    const keystore = yield* Keystore
    const from = keystore.kind === "keychain" ? "this system's keychain" : "the encrypted key file"
    const stored = yield* keystore.get(options.account)
    if (Option.isSome(stored)) return yield* read({ from, secret: stored.value })
    if (!options.mayCreate) {
      return yield* masterKeyMissing(options.account)
    }
    const key = newSecretKey()
    yield* keystore.set(options.account, Redacted.make(toBase64url(key.export())))
    return { kind: "master", key, from }
  })
