import { Context, type Effect, type Option, type Redacted, Schema } from "effect"

const told = { hint: Schema.String }

/** There is neither a keychain nor a passphrase: private keys have no safe place, and are never kept in the open. Nothing was stored. */
export class NoKeystore extends Schema.TaggedError<NoKeystore>()("NoKeystore", { why: Schema.String, ...told }) {}

/** The OS keychain is there but locked. Nothing was read or changed; unlock it and start again. */
export class KeychainLocked extends Schema.TaggedError<KeychainLocked>()("KeychainLocked", told) {}

/** The OS keychain gave no answer in time: most often it waits for somebody to type its password. A change may have been made: read before repeating. */
export class KeychainTimedOut extends Schema.TaggedError<KeychainTimedOut>()("KeychainTimedOut", told) {}

/** The OS keychain cannot be reached, or refused. A change was not made. */
export class KeychainUnavailable extends Schema.TaggedError<KeychainUnavailable>()("KeychainUnavailable", { why: Schema.String, ...told }) {}

/** The key file was made with another passphrase than the one `from` there. Nothing was read or changed. */
export class WrongPassphrase extends Schema.TaggedError<WrongPassphrase>()("WrongPassphrase", { file: Schema.String, from: Schema.String, ...told }) {
  override get message() {
    return `the passphrase in ${this.from} does not open ${this.file}`
  }
}

/** What hosted keeps was written under another master key than the one `from` there. Nothing was read or changed. */
export class WrongMasterKey extends Schema.TaggedError<WrongMasterKey>()("WrongMasterKey", { file: Schema.String, from: Schema.String, ...told }) {
  override get message() {
    return `the master key in ${this.from} does not open ${this.file}`
  }
}

/** The key file is not what was written there. It was left as it is; put a copy back. */
export class KeystoreDamaged extends Schema.TaggedError<KeystoreDamaged>()("KeystoreDamaged", { file: Schema.String, why: Schema.String, ...told }) {}

/** The key file cannot be read or written: permissions, a full disk, another process that holds it. What was there is still there. */
export class KeystoreUnusable extends Schema.TaggedError<KeystoreUnusable>()("KeystoreUnusable", { file: Schema.String, why: Schema.String, ...told }) {}

export type KeystoreError =
  | KeychainLocked
  | KeychainTimedOut
  | KeychainUnavailable
  | WrongPassphrase
  | WrongMasterKey
  | KeystoreDamaged
  | KeystoreUnusable

/** The service all of our keychain entries are under. */
export const keychainService = "com.8825.maestra.backend"

/** What an account keeps; two backends on one machine do not collide. */
export type AccountKind = "signing" | "wrap" | "signing-next" | "wrap-next" | "pairing" | "master" | "transport" | "advisor"

/** `<backend_id>/<kind>`. */
export const account = (backendId: string, kind: AccountKind): string => `${backendId}/${kind}`

/**
 * Where private keys and secrets are kept: texts of up to 2,500 bytes (Windows' limit), by account.
 * The OS keychain, or an encrypted file; both pass `test/support/keystoreSuite.ts`. Never plain text.
 */
export class Keystore extends Context.Service<Keystore, {
  readonly kind: "keychain" | "file"
  readonly get: (account: string) => Effect.Effect<Option.Option<Redacted.Redacted<string>>, KeystoreError>
  /** Durable when it returns. Replaces what was there. */
  readonly set: (account: string, secret: Redacted.Redacted<string>) => Effect.Effect<void, KeystoreError>
  /** Whether there was something to delete. */
  readonly delete: (account: string) => Effect.Effect<boolean, KeystoreError>
}>()("security/Keystore") {}
