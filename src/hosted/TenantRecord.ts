import { Schema } from "effect"
import { ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { Identity } from "../../streams/events/peer.ts"
import { BackendId, Digest, PeerId, TenantId, Time } from "../../streams/ids.ts"

/** A secret handed out in a pairing code, not yet used. Bound to the first backend that uses it in time. */
const Pending = Schema.Struct({ secret: Schema.String, expires_at: Time })

/** `since`: when it took over from another; absent for the first. */
const Key = Schema.Struct({ keyId: Digest, publicKey: Schema.String, since: Schema.optionalKey(Time), until: Schema.optionalKey(Time) })

/** A backend that joined: its secret, its pinned keys, and until when its registration holds. */
const Device = Schema.Struct({
  backend_id: BackendId,
  peer_id: PeerId,
  secret: Schema.String,
  /** Secrets that were replaced, newest first, and until when sessions signed with them are good. */
  previous_secrets: Schema.optionalKey(Schema.Array(Schema.Struct({ secret: Schema.String, until: Time }))),
  identity: Identity,
  keys: Schema.Array(Key),
  /** Every nkey this peer's leaf ever used: revocation ends them all. */
  transport_keys: Schema.Array(Schema.String),
  registered_at: Time,
  expires_at: Time,
  /** The local backend whose companion it is: its `secret` is then the K it came with last, made of that backend's secret, and it goes with that backend. */
  companion_of: Schema.optionalKey(BackendId)
})
export type Device = typeof Device.Type

/** What is left of a backend that may not come back: enough to say so, and nothing to come back with. */
const Gone = Schema.Struct({
  backend_id: BackendId,
  peer_id: PeerId,
  what: Schema.Literals(["revoked", "erased"]),
  at: Time,
  transport_keys: Schema.Array(Schema.String),
  companion_of: Schema.optionalKey(BackendId)
})

/** A tool that was let in, until its token ends by itself: `nkey` is that token's alone, so that its revocation ends nothing else. */
const Tool = Schema.Struct({ name: Schema.String, nkey: Schema.String, ends_at: Time, revoked_at: Schema.optionalKey(Time) })
export type Tool = typeof Tool.Type

/** Everything mutable about one tenant. Stored encrypted under the tenant-store key, replaced whole. */
export const TenantRecord = Schema.Struct({
  tenant: TenantId,
  user_id: Schema.String,
  /** Which LOG partition holds it. */
  partition: Schema.Int,
  /** Newest last; events name theirs by `kid`. */
  data_keys: Schema.Array(Schema.Struct({ kid: Schema.String, key: Schema.String })),
  pending: Schema.Array(Pending),
  devices: Schema.Array(Device),
  gone: Schema.Array(Gone),
  tools: Schema.optionalKey(Schema.Array(Tool)),
  /**
   * Since when everything of this tenant is going; once it is gone, what says so; and since when the store's files hold
   * no record of before that opens, with how many backups of keys the hosted side could not replace.
   */
  erased: Schema.optionalKey(Schema.Struct({
    at: Time,
    receipt: Schema.optionalKey(ErasureReceipt),
    keys_destroyed_at: Schema.optionalKey(Time),
    backups_left: Schema.optionalKey(Schema.Int)
  })),
  created_at: Time
})
export type TenantRecord = typeof TenantRecord.Type

export const TenantRecordJson = Schema.fromJsonString(TenantRecord)
