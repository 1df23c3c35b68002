import { Clock, Context, Duration, Effect, Layer, Option } from "effect"
import type { Identity } from "../../streams/events/peer.ts"
import { isoTime } from "../../streams/time.ts"
import { type CommitFields, signCommit } from "./commit.ts"
import { type HeldKeys, type IdentityError, type IdentityOptions, keptKey, placeOf, readPublicPart, textOf, writePublicPart } from "./identityPlace.ts"
import { generateKeys, keyId } from "./keys.ts"
import { Keystore } from "./Keystore.ts"
import { freshProof, type ProvenRequest, proveIdentity, signRotation } from "./proofs.ts"
import type { DataKey } from "./sealing.ts"
import { signAsync, type SigningContext, signObjectAsync } from "./signing.ts"
import { unwrapDataKey, type WrapRefused } from "./wrapping.ts"

/** What only the holder of an identity's keys can do. Private keys do not come out. */
export interface Signer {
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
}

/** Who this process is: the identity in force, whose keys may be replaced while it runs. */
export class BackendIdentity extends Context.Service<BackendIdentity, Signer & {
  /** New keys, and the present key's word for them, as `author` of a log. Nothing is kept and nothing changes yet. */
  readonly handOver: (to: { readonly author: string; readonly grace: Duration.Duration; readonly previousMax: number }) => Effect.Effect<HeldKeys>
  /** Keep keys that are not in force yet, over a restart. */
  readonly prepare: (next: HeldKeys) => Effect.Effect<void, IdentityError>
  /** Keys that were prepared and are not in force yet. */
  readonly prepared: () => HeldKeys | undefined
  /** Think no more of keys that were prepared. */
  readonly abandon: Effect.Effect<void, IdentityError>
  /** Be this from here on, over a restart too. A crash in between leaves the one or the other. */
  readonly adopt: (next: HeldKeys) => Effect.Effect<void, IdentityError>
}>()("security/BackendIdentity") {}

/**
 * The identity of this data directory; made at its first start, and replaced by one that its own key signed for, never
 * otherwise.
 *
 * The private keys are stored before the public file is written: after a crash in between, the next start
 * finds the keys and goes on with them.
 */
export const loadIdentity = Effect.fn("loadIdentity")(function*(options: IdentityOptions) {
  const keystore = yield* Keystore
  const known = yield* readPublicPart(options, options.file)
  const signing = yield* keptKey(options, "signing", known, ({ public_key }) => public_key)
  const wrap = yield* keptKey(options, "wrap", known, ({ wrap_key }) => wrap_key)
  const identity: Identity = {
    ...(Option.isSome(known) && known.value.previous_keys !== undefined ? { previous_keys: known.value.previous_keys } : {}),
    backend_id: options.backendId,
    backend_type: options.backendType,
    public_key: signing.pair.publicPem,
    wrap_key: wrap.pair.publicPem,
    capabilities: options.capabilities,
    version: "1.0",
    created_at: Option.match(known, { onNone: () => signing.createdAt, onSome: ({ created_at }) => created_at })
  }
  const text = textOf(identity)
  if (Option.isNone(known) || text !== textOf(known.value)) yield* writePublicPart(options.file, text)
  return yield* keeping(options, keystore, { identity, signing: signing.pair, wrap: wrap.pair })
})

/** `loadIdentity` as a layer. */
export const identityLayer = (options: IdentityOptions): Layer.Layer<BackendIdentity, IdentityError, Keystore> =>
  Layer.effect(BackendIdentity, loadIdentity(options))

/** What the holder of these keys can do. */
export const signerOf = ({ identity, signing, wrap }: HeldKeys): Signer => {
  const id = keyId(identity.public_key)
  const wrapId = keyId(identity.wrap_key)
  return {
    identity,
    keyId: id,
    signCommit: (fields) => signCommit({ ...fields, key_id: id }, signing.privateKey),
    sign: (context, text) => signAsync(signing.privateKey, context, text),
    signObject: (context, object) => signObjectAsync(signing.privateKey, context, object),
    prove: (challenge) => proveIdentity(signing.privateKey, identity, challenge),
    freshProof: (peerId, request) =>
      Effect.flatMap(Clock.currentTimeMillis, (millis) => freshProof(signing.privateKey, { peerId, time: isoTime(millis) }, request)),
    unwrap: (jwe) => unwrapDataKey(jwe, wrap.privateKey, wrapId)
  }
}

/** The identity in force, in memory and in its places. */
const keeping = Effect.fnUntraced(function*(options: IdentityOptions, keystore: Keystore["Service"], loaded: HeldKeys) {
  let held = loaded
  let signer = signerOf(loaded)
  const place = placeOf(options, keystore)
  let next = yield* place.finish(loaded.identity)
  return BackendIdentity.of({
    get identity() { return signer.identity },
    get keyId() { return signer.keyId },
    signCommit: (fields) => signer.signCommit(fields),
    sign: (context, text) => signer.sign(context, text),
    signObject: (context, object) => signer.signObject(context, object),
    prove: (challenge) => signer.prove(challenge),
    freshProof: (peerId, request) => signer.freshProof(peerId, request),
    unwrap: (jwe) => signer.unwrap(jwe),
    handOver: (to) => handOver(held, to),
    prepare: (keys) => Effect.andThen(place.prepare(keys), Effect.sync(() => { next = keys })),
    prepared: () => next,
    abandon: Effect.andThen(place.clear, Effect.sync(() => { next = undefined })),
    adopt: (keys) =>
      place.adopt(keys).pipe(Effect.andThen(Effect.sync(() => {
        held = keys
        signer = signerOf(keys)
        next = undefined
      })))
  })
})

/** New pairs, and the word of the present signing key for the new one. */
const handOver = Effect.fnUntraced(function*(held: HeldKeys, { author, grace, previousMax }: { readonly author: string; readonly grace: Duration.Duration; readonly previousMax: number }) {
  const [signing, wrap] = yield* Effect.all([generateKeys, generateKeys], { concurrency: 2 })
  const millis = yield* Clock.currentTimeMillis
  const grace_ends_at = isoTime(millis + Duration.toMillis(grace))
  const old = held.identity.public_key
  const signature = yield* signRotation(held.signing.privateKey, { peer_id: author, public_key: signing.publicPem, old_key_id: keyId(old), grace_ends_at })
  const previous_keys = [...held.identity.previous_keys ?? [], { public_key: old, replaced_at: isoTime(millis), grace_ends_at, signature }].slice(-previousMax)
  return { identity: { ...held.identity, public_key: signing.publicPem, wrap_key: wrap.publicPem, previous_keys }, signing, wrap } satisfies HeldKeys
})
