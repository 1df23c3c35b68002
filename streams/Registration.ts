import { Schema } from "effect"

/** Body of `POST /register-peer`. `proof` is over {identity, challenge = the SBT's signature}. */
export const RegisterPeer = Schema.Struct({
  backend_identity: Schema.Unknown,
  sbt: Schema.String.check(Schema.isMaxLength(4096)),
  proof: Schema.String.check(Schema.isMaxLength(512)),
  /** The leaf's own nkey (public), the same at every renewal. Local backends only. */
  transport_key: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(128))),
  /** True: another secret for this device's sessions, which the answer brings as `session_key`. */
  rotate_secret: Schema.optionalKey(Schema.Boolean)
})
export type RegisterPeer = typeof RegisterPeer.Type

/** Everything a local backend needs to replicate: where, as whom, which log, and the data key wrapped for it. */
export const Replication = Schema.Struct({
  leaf_urls: Schema.Array(Schema.String),
  leaf_jwt: Schema.String,
  log: Schema.String,
  consumer: Schema.String,
  tenant: Schema.String,
  data_key: Schema.String,
  log_id: Schema.String,
  log_epoch: Schema.Int
})
export type Replication = typeof Replication.Type

/** What a companion needs to seal and sign events itself: whose they are, the data keys wrapped for it (oldest first), and the log. */
export const Sealing = Schema.Struct({
  tenant: Schema.String,
  data_keys: Schema.Array(Schema.String),
  log_id: Schema.String,
  log_epoch: Schema.Int
})
export type Sealing = typeof Sealing.Type

export const Registered = Schema.Struct({
  status: Schema.Literals(["registered", "renewed"]),
  peer_id: Schema.String,
  sync_endpoint: Schema.String,
  telemetry_endpoint: Schema.String,
  sync_interval_ms: Schema.Int,
  expires_at: Schema.String,
  /** `key_id` of the hosted backend's signing key now: who pinned another asks `/identity` for the way from that one. */
  hosted_key_id: Schema.optionalKey(Schema.String),
  replication: Schema.optionalKey(Replication),
  /** For companions. */
  sealing: Schema.optionalKey(Sealing),
  /** For whoever came with a key of sessions that was replaced: the present one, a compact JWE for its `wrap_key`, and until when the old one is good. */
  session_key: Schema.optionalKey(Schema.Struct({ key: Schema.String, grace_ends_at: Schema.String })),
  /** The answering backend's over the rest and `challenge`, the token's signature. */
  signature: Schema.optionalKey(Schema.String)
})
export type Registered = typeof Registered.Type
