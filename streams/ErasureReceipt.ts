import { Schema } from "effect"
import { Identity } from "./events/peer.ts"

/**
 * What stays of a tenant that was erased: the one event that says so and hosted's signed record over it, each a text
 * whose UTF-8 bytes are the stored ones. On this a machine that was away erases what it holds. `hosted`, where it is
 * handed on, is who signed: whoever knows one of its keys by `key_id` needs to ask nobody.
 */
export const ErasureReceipt = Schema.Struct({ event: Schema.String, record: Schema.String, hosted: Schema.optionalKey(Identity) }).annotate({ identifier: "ErasureReceipt" })
export type ErasureReceipt = typeof ErasureReceipt.Type

/** What an erasure did, and what is still to come. */
export const Erased = Schema.Struct({
  tenant: Schema.NullOr(Schema.String),
  erased_at: Schema.String,
  /** Of the log, telemetry and alerts. */
  messages: Schema.Int,
  /** The tenant's data keys and every secret of its devices are destroyed, and the tenant store has another key. */
  keys_destroyed: Schema.Boolean,
  /** Devices, and whether the word has reached them: the others erase what they hold when they come back. */
  devices: Schema.Array(Schema.Struct({ peer_id: Schema.String, backend_id: Schema.String, reached: Schema.Boolean })),
  /** What the operator still has to do, or `null`. */
  to_do: Schema.NullOr(Schema.String),
  receipt: Schema.NullOr(ErasureReceipt)
}).annotate({ identifier: "Erased" })
export type Erased = typeof Erased.Type
