import { Schema } from "effect"
import { event } from "../EventDefinition.ts"
import { wellFormed } from "./fields.ts"
import { Author, BackendId, Digest, PeerId, Time } from "../ids.ts"

/** A signing key that was replaced, with its own word for the one that followed: the signature of `key.rotated`. */
const PreviousKey = Schema.Struct({
  public_key: Schema.String.check(Schema.isMaxLength(2048)),
  replaced_at: Time,
  grace_ends_at: Time,
  signature: Schema.String.check(Schema.isMaxLength(512))
})

/** Keys a backend can have had, as its identity tells them. */
export const previousKeysMax = 64

/** The public part of a backend: what it is and the keys it proves itself with (SPKI PEM). */
export const Identity = Schema.Struct({
  backend_id: BackendId,
  backend_type: Schema.Literals(["local", "hosted", "companion"]),
  public_key: Schema.String.check(Schema.isMaxLength(2048)),
  wrap_key: Schema.String.check(Schema.isMaxLength(2048)),
  capabilities: Schema.Array(Schema.String.check(wellFormed, Schema.isMaxLength(64))).check(Schema.isMaxLength(64)),
  version: Schema.Literal("1.0"),
  created_at: Time,
  /** Oldest first, each signing for the next and the last for `public_key`. Who knows one of them follows to the current one. */
  previous_keys: Schema.optionalKey(Schema.Array(PreviousKey).check(Schema.isMaxLength(previousKeysMax)))
})
export type Identity = typeof Identity.Type

const proven = {
  peer_id: PeerId,
  identity: Identity,
  challenge: Schema.String.check(Schema.isMaxLength(256)),
  proof: Schema.String.check(Schema.isMaxLength(512)),
  expires_at: Time
}

/** A backend joined, with the proof that it holds the key it names. By hosted. */
export const peerRegistered = event("peer.registered", Schema.Struct(proven))

/** The same backend again, before its registration ended. By hosted. */
export const peerRenewed = event("peer.renewed", Schema.Struct(proven))

/** A paired device vouches for a new one: this key is really it. */
export const peerConfirmed = event("peer.confirmed", Schema.Struct({ peer_id: PeerId, key_id: Digest }))

const RevokedV1 = Schema.Struct({ peer_id: PeerId, reason: Schema.String })
const RevokedV2 = Schema.Struct({
  peer_id: PeerId,
  cause: Schema.Literals(["requested", "lost", "compromised", "erased"]),
  note: Schema.optionalKey(Schema.String)
})

/**
 * A backend was shut out; its secret is gone. By hosted.
 *
 * v1 (2026-10) carried free text in `reason`, which no program could act on.
 * v2 (2026-11) names the `cause`; the old text reads as the note of a revocation somebody requested.
 */
export const peerRevoked = event("peer.revoked", RevokedV1)
  .evolve(RevokedV2, ({ peer_id, reason }) => ({ peer_id, cause: "requested" as const, note: reason }))

/** A backend signs with a new key from here on. `signature` is the old key's over the new. By hosted, which registered it. */
export const keyRotated = event("key.rotated", Schema.Struct({
  peer_id: Author,
  public_key: Schema.String.check(Schema.isMaxLength(2048)),
  old_key_id: Digest,
  grace_ends_at: Time,
  signature: Schema.String.check(Schema.isMaxLength(512))
}))
