import type { KeyObject } from "node:crypto"
import { readFile } from "node:fs/promises"
import { Context, DateTime, Effect, Layer, Option, Redacted, Result, Schema } from "effect"
import { Identity } from "../../streams/events/peer.ts"
import { Time } from "../../streams/ids.ts"
import { type CommitFields, signCommit } from "./commit.ts"
import { generateKeys, keyId, type KeyPair, publicKey, readPrivateKey } from "./keys.ts"
import { account, Keystore, type KeystoreError } from "./Keystore.ts"
import { freshProof, type ProvenRequest, proveIdentity } from "./proofs.ts"
import { replaceFile } from "./replaceFile.ts"
import type { DataKey } from "./sealing.ts"
import { signAsync, type SigningContext, signObjectAsync } from "./signing.ts"
import { unwrapDataKey, type WrapRefused } from "./wrapping.ts"

/** The private key kept here is not the one of the public identity. Nothing was changed; find out which of the two is right. */
export class IdentityMismatch extends Schema.TaggedError<IdentityMismatch>()("IdentityMismatch", { file: Schema.String, why: Schema.String, hint: Schema.String }) {}

/** The public identity is there, its private key is gone. No new one was made: others know the old one. */
export class PrivateKeyMissing extends Schema.TaggedError<PrivateKeyMissing>()("PrivateKeyMissing", { file: Schema.String, account: Schema.String, hint: Schema.String }) {}

/** The identity's file, or a key in the keystore, cannot be read or written. Nothing was replaced. */
export class IdentityUnreadable extends Schema.TaggedError<IdentityUnreadable>()("IdentityUnreadable", { where: Schema.String, why: Schema.String, hint: Schema.String }) {}

export type IdentityError = IdentityMismatch | PrivateKeyMissing | IdentityUnreadable | KeystoreError

/** Who this process is, and what only it can do. Private keys do not come out. */
export class BackendIdentity extends Context.Service<BackendIdentity, {
  readonly identity: Identity
  /** `key_id` of the signing key. */
  readonly keyId: string
  /** A signed commit record, ready to be sent and stored. */
  readonly signCommit: (fields: Omit<CommitFields, "key_id">) => Effect.Effect<Uint8Array>
  readonly sign: (context: SigningContext, text: string) => Effect.Effect<string>
  readonly signObject: <A extends object>(context: SigningContext, object: A) => Effect.Effect<A & { readonly signature: string }>
  /** Signature over this identity and the other side's challenge. */
  readonly prove: (challenge: string) => Effect.Effect<string>
  /** Value of a `Maestra-Proof` header for one request, good for 60 s. */
  readonly freshProof: (peerId: string, request: ProvenRequest) => Effect.Effect<string>
  /** A data key wrapped for this backend's `wrap_key`. */
  readonly unwrap: (jwe: string) => Effect.Effect<DataKey, WrapRefused>
}>()("security/BackendIdentity") {}

export interface IdentityOptions {
  readonly backendId: string
  readonly backendType: Identity["backend_type"]
  readonly capabilities: ReadonlyArray<string>
  /** Where the public part is kept: `identity.json` in the data directory. */
  readonly file: string
}

/** A key as the keystore holds it: under 2,000 bytes. */
const StoredKey = Schema.Struct({ v: Schema.Literal(1), created_at: Time, private_key: Schema.String })
const readStoredKey = Schema.decodeUnknownResult(Schema.fromJsonString(StoredKey))
const readIdentity = Schema.decodeUnknownResult(Schema.fromJsonString(Identity))

interface Kept {
  readonly pair: KeyPair
  readonly createdAt: string
}

/**
 * The identity of this data directory; made at its first start, never replaced.
 *
 * The private keys are stored before the public file is written: after a crash in between, the next start
 * finds the keys and goes on with them.
 */
export const loadIdentity = Effect.fn("loadIdentity")(function*(options: IdentityOptions) {
  const known = yield* readPublicPart(options)
  const signing = yield* keptKey(options, "signing", known)
  const wrap = yield* keptKey(options, "wrap", known)
  if (Option.isSome(known)) {
    yield* mustMatch(options, "signing", known.value.public_key, signing.pair)
    yield* mustMatch(options, "wrap", known.value.wrap_key, wrap.pair)
  }
  const identity: Identity = {
    backend_id: options.backendId,
    backend_type: options.backendType,
    public_key: signing.pair.publicPem,
    wrap_key: wrap.pair.publicPem,
    capabilities: options.capabilities,
    version: "1.0",
    created_at: Option.match(known, { onNone: () => signing.createdAt, onSome: ({ created_at }) => created_at })
  }
  const text = `${JSON.stringify(identity, null, 2)}\n`
  if (Option.isNone(known) || text !== `${JSON.stringify(known.value, null, 2)}\n`) yield* writePublicPart(options.file, text)
  return capabilitiesOf(identity, signing.pair.privateKey, wrap.pair.privateKey)
})

/** `loadIdentity` as a layer. */
export const identityLayer = (options: IdentityOptions): Layer.Layer<BackendIdentity, IdentityError, Keystore> =>
  Layer.effect(BackendIdentity, loadIdentity(options))

const capabilitiesOf = (identity: Identity, signingKey: KeyObject, wrapKey: KeyObject) => {
  const id = keyId(identity.public_key)
  const wrapId = keyId(identity.wrap_key)
  return BackendIdentity.of({
    identity,
    keyId: id,
    signCommit: (fields) => signCommit({ ...fields, key_id: id }, signingKey),
    sign: (context, text) => signAsync(signingKey, context, text),
    signObject: (context, object) => signObjectAsync(signingKey, context, object),
    prove: (challenge) => proveIdentity(signingKey, identity, challenge),
    freshProof: (peerId, request) =>
      Effect.flatMap(now, (time) => freshProof(signingKey, { peerId, time }, request)),
    unwrap: (jwe) => unwrapDataKey(jwe, wrapKey, wrapId)
  })
}

const now: Effect.Effect<string> = Effect.map(DateTime.now, DateTime.formatIso)

const readPublicPart = ({ backendId, file }: IdentityOptions) =>
  Effect.gen(function*() {
    const text = yield* Effect.promise(() =>
      readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => cause.code === "ENOENT" ? undefined : `unreadable: ${cause.code}`)
    )
    if (text === undefined) return Option.none<Identity>()
    const identity = readIdentity(text)
    if (Result.isFailure(identity)) {
      return yield* new IdentityUnreadable({ where: file, why: "it is not an identity", hint: `Put a copy of ${file} back. If the private keys are still in the keystore, deleting it is enough.` })
    }
    if (identity.success.backend_id !== backendId) {
      return yield* new IdentityMismatch({
        file,
        why: `it is the identity of ${identity.success.backend_id}, this is ${backendId}`,
        hint: `This data directory was copied from another machine. Start with an empty one and pair again, or go back to that machine.`
      })
    }
    return Option.some(identity.success)
  })

const writePublicPart = (file: string, text: string) =>
  Effect.tryPromise({
    try: () => replaceFile(file, text),
    catch: (cause) =>
      new IdentityUnreadable({ where: file, why: cause instanceof Error ? cause.message : "unknown", hint: `Make the folder of ${file} writable.` })
  })

/** The key of that kind from the keystore; a new one only where nobody knows an old one. */
const keptKey = Effect.fnUntraced(function*({ backendId, file }: IdentityOptions, kind: "signing" | "wrap", known: Option.Option<Identity>) {
  const keystore = yield* Keystore
  const name = account(backendId, kind)
  const stored = yield* keystore.get(name)
  if (Option.isSome(stored)) return yield* readKept(name, stored.value)
  if (Option.isSome(known)) {
    const elsewhere = keystore.kind === "file"
      ? "If they were kept in the OS keychain, start without MAESTRA_KEYSTORE_PASSPHRASE."
      : "If they were kept in an encrypted file, set MAESTRA_KEYSTORE_PASSPHRASE."
    return yield* new PrivateKeyMissing({
      file,
      account: name,
      hint: `The private keys of ${file} are not in the ${keystore.kind}. ${elsewhere} If they are lost, revoke this device, move ${file} away and pair again.`
    })
  }
  const pair = yield* generateKeys
  const createdAt = yield* now
  yield* keystore.set(name, Redacted.make(JSON.stringify({ v: 1, created_at: createdAt, private_key: Redacted.value(pair.privatePem) })))
  return { pair, createdAt } satisfies Kept
})

const readKept = (name: string, secret: Redacted.Redacted<string>): Effect.Effect<Kept, IdentityUnreadable> => {
  const stored = readStoredKey(Redacted.value(secret))
  const pair = Result.isSuccess(stored) ? readPrivateKey(Redacted.make(stored.success.private_key)) : undefined
  // a parser's message would quote the key
  return Result.isSuccess(stored) && pair !== undefined && Result.isSuccess(pair)
    ? Effect.succeed({ pair: pair.success, createdAt: stored.success.created_at })
    : Effect.fail(new IdentityUnreadable({ where: name, why: "the keystore's entry is not a private key of ours", hint: "Put a copy of the keystore back, or revoke this device and pair again with an empty data directory." }))
}

const mustMatch = ({ file }: IdentityOptions, kind: "signing" | "wrap", publicPem: string, pair: KeyPair) => {
  const stated = publicKey(publicPem)
  return Result.isSuccess(stated) && stated.success.id === keyId(pair.publicPem)
    ? Effect.void
    : Effect.fail(
      new IdentityMismatch({
        file,
        why: `its ${kind} key is not the one in the keystore`,
        hint: `${file} and the keystore are from different times or machines. Put the matching copy of one of them back; nothing was changed.`
      })
    )
}
