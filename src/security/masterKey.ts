import { Effect, Option, Redacted, Schema } from "effect"
import { fromBase64url, toBase64url } from "./digest.ts"
import { Keystore, type KeystoreError } from "./Keystore.ts"
import { secretSetting } from "./secretSetting.ts"
import { newSecretKey, type SecretKey, secretKey, secretKeyBytes } from "./secretKey.ts"

export { decryptBytesUnder, decryptUnder, encryptUnder, type SecretKey } from "./secretKey.ts"

/** The master key given is not 32 bytes in base64url. Nothing was opened or changed. */
export class MasterKeyMalformed extends Schema.TaggedError<MasterKeyMalformed>()("MasterKeyMalformed", { where: Schema.String, hint: Schema.String }) {}

/** There is data under a master key, but the key is not there. No new one was made: it would open nothing. */
export class MasterKeyMissing extends Schema.TaggedError<MasterKeyMissing>()("MasterKeyMissing", { account: Schema.String, hint: Schema.String }) {}

const makeOne = "Make one with: openssl rand 32 | basenc --base64url | tr -d =  (43 characters)."

const read = (where: string, text: Redacted.Redacted<string>): Effect.Effect<SecretKey, MasterKeyMalformed> => {
  const bytes = fromBase64url(Redacted.value(text).trim())
  return bytes?.length === secretKeyBytes
    ? Effect.succeed(secretKey(bytes))
    : Effect.fail(new MasterKeyMalformed({ where, hint: `${where} is not 32 bytes in base64url without padding. ${makeOne}` }))
}

/**
 * The master key from `MAESTRA_MASTER_KEY` or the file `MAESTRA_MASTER_KEY_FILE` names, where one is set: exactly 32
 * bytes as base64url without padding, 43 characters. Needs no keystore.
 */
export const masterKeyFromEnvironment = Effect.suspend(() => masterKeySetting("MAESTRA_MASTER_KEY"))

/** The same from another setting: the one that follows it. */
export const masterKeySetting = Effect.fnUntraced(function*(name: string) {
  const text = yield* secretSetting(name)
  return Option.isSome(text) ? Option.some(yield* read(name, text.value)) : Option.none()
})

/**
 * The master key kept in the keystore. `mayCreate`: nothing is encrypted under one yet, so that a missing key
 * is made; otherwise a missing key is an error.
 */
export const masterKeyFromKeystore = (options: {
  readonly account: string
  readonly mayCreate: boolean
}): Effect.Effect<SecretKey, MasterKeyMalformed | MasterKeyMissing | KeystoreError, Keystore> =>
  Effect.gen(function*() {
    const keystore = yield* Keystore
    const stored = yield* keystore.get(options.account)
    if (Option.isSome(stored)) return yield* read(options.account, stored.value)
    if (!options.mayCreate) {
      return yield* new MasterKeyMissing({
        account: options.account,
        hint: "Set MAESTRA_MASTER_KEY to the key this deployment was started with, or put the keystore's copy back. Without it the tenants' keys cannot be opened."
      })
    }
    const key = newSecretKey()
    yield* keystore.set(options.account, Redacted.make(toBase64url(key.export())))
    return key
  })
