import { Effect, Option, Redacted, Result, Schema } from "effect"
import { rm } from "node:fs/promises"
import { join } from "node:path"
import { Identity } from "../../streams/events/peer.ts"
import { fromBase64url, hmac, toBase64url } from "../security/digest.ts"
import { account, type Keystore, type KeystoreError } from "../security/Keystore.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { type DataKey, dataKey, dataKeyBytes } from "../security/sealing.ts"

/** A file of the pairing, or a secret it needs, is damaged or gone. Conversations are not affected; pair again. */
export class PairingUnreadable extends Schema.TaggedError<PairingUnreadable>()("PairingUnreadable", { where: Schema.String, hint: Schema.String }) {}

/** What this machine knows of the hosted side it belongs to. No secrets. */
const PairedWith = Schema.Struct({
  hosted_url: Schema.String,
  /** Pinned at pairing by the code's fingerprint. */
  hosted: Identity,
  user_id: Schema.String,
  tenant: Schema.String,
  peer_id: Schema.String,
  expires_at: Schema.String,
  renewed_at: Schema.String,
  /** When the secret of its sessions took over from another; absent for the pairing code's. */
  secret_since: Schema.optionalKey(Schema.String),
  leaf_urls: Schema.NonEmptyArray(Schema.String),
  /** Who signed the link's token. */
  leaf_issuer: Schema.optionalKey(Schema.String),
  log: Schema.String,
  log_id: Schema.String,
  log_epoch: Schema.Int
})
export type PairedWith = typeof PairedWith.Type

/** The secrets of a pairing, from the keystore. */
export interface PairingSecrets {
  readonly secret: Redacted.Redacted<Uint8Array>
  /** Secrets that were replaced, newest first, and until when sessions signed with them, or with keys made of them, are good. */
  readonly previous: ReadonlyArray<{ readonly secret: Redacted.Redacted<Uint8Array>; readonly until: string }>
  readonly transportSeed: Redacted.Redacted<string>
  readonly dataKeys: ReadonlyArray<DataKey>
}

/** What the keystore holds under `<backend_id>/pairing`. */
const Stored = Schema.Struct({
  secret: Schema.String,
  previous_secrets: Schema.optionalKey(Schema.Array(Schema.Struct({ secret: Schema.String, until: Schema.String }))),
  transport_seed: Schema.String,
  data_keys: Schema.Array(Schema.Struct({ kid: Schema.String, key: Schema.String }))
})
const StoredJson = Schema.fromJsonString(Stored)
const PairedJson = Schema.fromJsonString(PairedWith)

export interface Paired {
  readonly with: PairedWith
  readonly secrets: PairingSecrets
}

export interface PairingStore {
  readonly load: Effect.Effect<Option.Option<Paired>, PairingUnreadable | KeystoreError>
  /** Secrets first: after a crash in between, the next pairing finds and replaces them. */
  readonly save: (paired: Paired) => Effect.Effect<void, PairingUnreadable | KeystoreError>
  readonly forget: Effect.Effect<void, PairingUnreadable | KeystoreError>
}

export const makePairingStore = (options: { readonly dataDir: string; readonly backendId: string; readonly keystore: Keystore["Service"] }): PairingStore => {
  const file = join(options.dataDir, "pairing.json")
  const name = account(options.backendId, "pairing")
  const unreadable = new PairingUnreadable({ where: file, hint: `${file} or its secrets in the keystore are damaged or gone. Your conversations are not affected: move the file away, start again, and pair with a new code.` })
  const onFile = <A>(run: () => Promise<A>) => Effect.tryPromise({ try: run, catch: () => unreadable })
  return {
    load: Effect.gen(function*() {
      const text = yield* onFile(() => readIfThere(file))
      if (text === undefined) return Option.none()
      const paired = yield* Schema.decodeEffect(PairedJson)(text).pipe(Effect.mapError(() => unreadable))
      const secret = yield* options.keystore.get(name)
      if (Option.isNone(secret)) return yield* unreadable
      const stored = Schema.decodeResult(StoredJson)(Redacted.value(secret.value))
      if (Result.isFailure(stored)) return yield* unreadable
      return Option.some({ with: paired, secrets: fromStored(stored.success) })
    }),
    save: ({ secrets, with: paired }) =>
      options.keystore.set(name, Redacted.make(JSON.stringify(toStored(secrets)))).pipe(
        Effect.andThen(onFile(() => replaceFile(file, `${JSON.stringify(paired, null, 2)}\n`)))),
    forget: onFile(() => rm(file, { force: true })).pipe(Effect.andThen(options.keystore.delete(name)), Effect.asVoid)
  }
}

/** What sessions may be signed with at `now` (ISO time): the present secret, and those in their grace. */
export const sessionSecrets = ({ previous, secret }: PairingSecrets, now: string): ReadonlyArray<Uint8Array> =>
  [secret, ...previous.filter(({ until }) => now < until).map((one) => one.secret)].map(Redacted.value)

/** The secrets with another one for the sessions to come, as a registration brought it; those whose grace has ended are forgotten. */
export const withNextSecret = (secrets: PairingSecrets, next: Uint8Array, graceEnds: string, now: string): PairingSecrets => ({
  ...secrets,
  secret: Redacted.make(next),
  previous: [{ secret: secrets.secret, until: graceEnds }, ...secrets.previous.filter(({ until }) => now < until)]
})

/** What a secret is called where it must not be shown: nobody gets from it to the secret, which has 256 random bits. */
export const pairingKeyId = (secret: Redacted.Redacted<Uint8Array>): string => toBase64url(hmac(Redacted.value(secret), "maestra-secret-id-v1\0"))

const secretOf = (text: string) => Redacted.make(new Uint8Array(fromBase64url(text) ?? []))

const fromStored = (stored: typeof Stored.Type): PairingSecrets => ({
  secret: secretOf(stored.secret),
  previous: (stored.previous_secrets ?? []).map(({ secret, until }) => ({ secret: secretOf(secret), until })),
  transportSeed: Redacted.make(stored.transport_seed),
  dataKeys: stored.data_keys.map(({ key, kid }) => dataKey(kid, fromBase64url(key) ?? new Uint8Array()))
})

const toStored = (secrets: PairingSecrets): typeof Stored.Type => ({
  secret: toBase64url(Redacted.value(secrets.secret)),
  previous_secrets: secrets.previous.map(({ secret, until }) => ({ secret: toBase64url(Redacted.value(secret)), until })),
  transport_seed: Redacted.value(secrets.transportSeed),
  data_keys: secrets.dataKeys.map((key) => ({ kid: key.kid, key: toBase64url(dataKeyBytes(key)) }))
})
