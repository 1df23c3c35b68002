import { type Bytes, randomBytes, toBase64url, utf8 } from "./bytes.ts"
import { canonicalJson } from "./canonical.ts"
import { digestOf } from "./digest.ts"
import { sign, signObject, verify } from "./signing.ts"

/** A signing key that was replaced, and its own signature over the one that followed. */
export interface PreviousKey {
  readonly public_key: string
  readonly replaced_at: string
  readonly grace_ends_at: string
  readonly signature: string
}

/** The public part of a backend, as it registers (docs/PROTOCOL.md 2). */
export interface Identity {
  readonly backend_id: string
  readonly backend_type: "local" | "hosted" | "companion"
  readonly public_key: string
  readonly wrap_key: string
  readonly capabilities: ReadonlyArray<string>
  readonly version: "1.0"
  readonly created_at: string
  /** Oldest first, each signing for the next and the last for `public_key`. */
  readonly previous_keys?: ReadonlyArray<PreviousKey>
}

/** Proof that an identity holds its signing key: over the identity as sent and the other side's challenge. */
export const proveIdentity = (key: CryptoKey, identity: Identity, challenge: string): Promise<string> =>
  sign(key, "identity", canonicalJson({ identity, challenge }))

/** Whether the identity's own `public_key` signed it together with this challenge. Pass the identity as received. */
export const verifyIdentityProof = async (identity: Identity, challenge: string, proof: string): Promise<boolean> =>
  verify(identity.public_key, "identity", canonicalJson({ identity, challenge }), proof)

/** Value of a `Maestra-Proof` header: this very request, by this peer, now. `path` with its query; `time` as ISO with milliseconds. */
export const freshProof = async (
  key: CryptoKey,
  by: { readonly peerId: string; readonly time: string },
  request: { readonly method: string; readonly path: string; readonly body: Bytes }
): Promise<string> =>
  toBase64url(utf8(canonicalJson(await signObject(key, "proof", {
    peer_id: by.peerId,
    method: request.method,
    path: request.path,
    body_sha256: await digestOf(request.body),
    nonce: toBase64url(randomBytes(16)),
    time: by.time
  }))))
