import { type KeyObject, randomBytes } from "node:crypto"
import { Duration, Effect, Result, Schema } from "effect"
import type { Nonces } from "../../streams/Access.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { Digest, PeerId, Time } from "../../streams/ids.ts"
import { canonicalJson, tryCanonicalJson } from "./canonical.ts"
import { digestOf, fromBase64url, toBase64url } from "./digest.ts"
import { signAsync, signObjectAsync, verify, verifyObject } from "./signing.ts"

/** How old, or how far in the future, a fresh proof may be. */
const proofAgeMax = Duration.seconds(60)
/** A proof header has about 900 characters; the path has most of the rest. */
const headerMaxLength = 8192

/** Proof that an identity holds its signing key: over the identity as sent and the other side's challenge. */
export const proveIdentity = (privateKey: KeyObject, identity: Identity, challenge: string): Effect.Effect<string> =>
  Effect.suspend(() => signAsync(privateKey, "identity", canonicalJson({ identity, challenge })))

/** Whether the identity's own `public_key` signed it together with this challenge. Pass the identity as received, unknown fields included. */
export const verifyIdentityProof = (identity: Identity, challenge: string, proof: string): boolean => {
  const text = tryCanonicalJson({ identity, challenge })
  return Result.isSuccess(text) && verify(identity.public_key, "identity", text.success, proof)
}

/** What a key rotation says: the data of `key.rotated` without the signature, which is the old key's. */
export interface Rotation {
  readonly peer_id: string
  readonly public_key: string
  readonly old_key_id: string
  readonly grace_ends_at: string
}

const rotationFields = ({ grace_ends_at, old_key_id, peer_id, public_key }: Rotation): Rotation => ({ peer_id, public_key, old_key_id, grace_ends_at })

/** The old key's signature over the new one, for `key.rotated`. */
export const signRotation = (oldPrivateKey: KeyObject, rotation: Rotation): Effect.Effect<string> =>
  Effect.suspend(() => signAsync(oldPrivateKey, "rotation", canonicalJson(rotationFields(rotation))))

/** Whether the old key (SPKI PEM) handed over to the new one. Never throws. */
export const verifyRotation = (oldPublicPem: string, rotation: Rotation, signature: string): boolean => {
  const text = tryCanonicalJson(rotationFields(rotation))
  return Result.isSuccess(text) && verify(oldPublicPem, "rotation", text.success, signature)
}

const FreshProof = Schema.Struct({
  peer_id: PeerId,
  method: Schema.String.check(Schema.isPattern(/^[A-Z]{3,10}$/)),
  path: Schema.String.check(Schema.isPattern(/^\/[\x21-\x7e]*$/)),
  body_sha256: Digest,
  nonce: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{16,64}$/)),
  time: Time,
  signature: Schema.NonEmptyString.check(Schema.isMaxLength(1024))
})
/** Content of the `Maestra-Proof` header: this very request was made by the holder of the key, now. */
export type FreshProof = typeof FreshProof.Type

/** A request as its fresh proof names it. `path` with its query, as on the wire; `body` as sent, empty for none. */
export interface ProvenRequest {
  readonly method: string
  readonly path: string
  readonly body: Uint8Array
}

/** A fresh proof that does not hold. The request was not carried out. */
export class ProofRefused extends Schema.TaggedError<ProofRefused>()("ProofRefused", {
  reason: Schema.Literals(["malformed", "other-peer", "other-request", "stale", "bad-signature", "replayed", "too-many"]),
  hint: Schema.String
}) {}

const hints: Record<ProofRefused["reason"], string> = {
  malformed: "The Maestra-Proof header is not base64url of canonical JSON with its seven fields.",
  "other-peer": "The proof is another peer's than the session's.",
  "other-request": "The proof was made for another method, path or body.",
  stale: "The proof is more than 60 s from this clock. Set the clock, make a new proof.",
  "bad-signature": "The proof is not signed by the key registered for this peer.",
  replayed: "This proof was used before. Make a new one for each request.",
  "too-many": "Too many proofs in two minutes. Wait and make a new one."
}
const refuse = (reason: ProofRefused["reason"]) => Result.fail(new ProofRefused({ reason, hint: hints[reason] }))

/** Build a `Maestra-Proof` header value. `time` exactly `YYYY-MM-DDTHH:mm:ss.sssZ`. */
export const freshProof = (
  privateKey: KeyObject,
  by: { readonly peerId: string; readonly time: string },
  request: ProvenRequest
): Effect.Effect<string> =>
  Effect.map(
    signObjectAsync(privateKey, "proof", {
      peer_id: by.peerId,
      method: request.method,
      path: request.path,
      body_sha256: digestOf(request.body),
      nonce: randomBytes(16).toString("base64url"),
      time: by.time
    }),
    (proof) => toBase64url(Buffer.from(canonicalJson(proof)))
  )

const readProof = Schema.decodeUnknownResult(Schema.fromJsonString(FreshProof))

const decodeProof = (header: string): Result.Result<FreshProof, ProofRefused> => {
  const bytes = header.length > headerMaxLength ? undefined : fromBase64url(header)
  if (bytes === undefined) return refuse("malformed")
  const proof = readProof(bytes.toString("utf8"))
  if (Result.isFailure(proof)) return refuse("malformed")
  // a lone surrogate, escaped, has no canonical form
  const canonical = tryCanonicalJson(proof.success)
  return Result.isSuccess(canonical) && canonical.success === bytes.toString("utf8") ? Result.succeed(proof.success) : refuse("malformed")
}

/** Whose proof a header claims to be; nothing of it is checked. */
export const claimedPeer = (header: string): Result.Result<string, ProofRefused> => Result.map(decodeProof(header), ({ peer_id }) => peer_id)

/**
 * Whether a `Maestra-Proof` header proves this request, by this peer, now. `now` in milliseconds since 1970.
 *
 * The nonce is spent only when everything else holds: nobody can use up another's.
 */
export const verifyFreshProof = Effect.fnUntraced(function*(
  header: string,
  expected: {
    readonly peerId: string
    readonly publicPem: string
    readonly request: ProvenRequest
    readonly now: number
    readonly nonces: Nonces["Service"]
  }
) {
  const proof = yield* Effect.fromResult(judge(header, expected))
  const spent = yield* expected.nonces.spend(proof.peer_id, proof.nonce)
  return spent === "fresh" ? proof : yield* Effect.fromResult(refuse(spent))
})

/** Everything but the nonce. */
const judge = (
  header: string,
  expected: { readonly peerId: string; readonly publicPem: string; readonly request: ProvenRequest; readonly now: number }
): Result.Result<FreshProof, ProofRefused> => {
  const decoded = decodeProof(header)
  if (Result.isFailure(decoded)) return decoded
  const proof = decoded.success
  const { request } = expected
  if (proof.peer_id !== expected.peerId) return refuse("other-peer")
  if (proof.method !== request.method || proof.path !== request.path || proof.body_sha256 !== digestOf(request.body)) {
    return refuse("other-request")
  }
  // written so that a time no calendar has, NaN, is stale
  if (!(Math.abs(expected.now - Date.parse(proof.time)) <= Duration.toMillis(proofAgeMax))) return refuse("stale")
  return verifyObject(expected.publicPem, "proof", proof) ? decoded : refuse("bad-signature")
}
