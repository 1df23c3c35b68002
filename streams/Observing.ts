import { Context, type Effect, Schema, Stream } from "effect"
import type { CommandFailed } from "./Backend.ts"
import type { Reading } from "./metrics.ts"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const MaybeText = Schema.NullOr(Schema.String)

/** How syncing with one peer goes. */
export const PeerMetrics = Schema.Struct({
  peer_id: Schema.String,
  backend_id: Schema.String,
  last_sync: MaybeText.annotate({ description: "the newest commit of it in the log, or the last time it was known to be in step" }),
  sync_lag_seconds: Schema.Finite.annotate({ description: "how long the oldest thing that is not there yet has waited; 0: in step" }),
  queue_depth: Count.annotate({ description: "events written there and not committed yet, as far as it said" }),
  sync_success_rate: Schema.Finite.annotate({ description: "0 to 1, of the last 15 minutes" }),
  last_error: MaybeText,
  total_syncs: Count.annotate({ description: "its commits in the log" }),
  total_events: Count.annotate({ description: "its events in the log" })
}).annotate({ identifier: "PeerMetrics" })
export type PeerMetrics = typeof PeerMetrics.Type

/** Something that waits: what it is called and how large it is, never what it says. */
export const Queued = Schema.Struct({
  seq: Count,
  event_id: MaybeText,
  type: MaybeText,
  conversation_id: MaybeText,
  time: Schema.String,
  bytes: Count
}).annotate({ identifier: "Queued" })
export type Queued = typeof Queued.Type

export const ErrorNoted = Schema.Struct({ at: Schema.String, what: Schema.String }).annotate({ identifier: "ErrorNoted" })

/** Why a peer is not in step. */
export const PeerDebug = Schema.Struct({
  peer_info: Schema.Record(Schema.String, Schema.Unknown),
  sbt_status: Schema.Literals(["valid", "expired", "revoked", "none"]),
  sbt_expires_in: Schema.NullOr(Schema.Finite).annotate({ description: "seconds" }),
  offline_queue: Schema.Array(Queued).annotate({ description: "the oldest ten that wait: on local to be sent, on hosted to be fetched by this peer" }),
  recent_errors: Schema.Array(ErrorNoted).annotate({ description: "the newest ten, newest first" }),
  network_status: Schema.Record(Schema.String, Schema.Unknown),
  last_successful_sync: MaybeText,
  sync_lag: Schema.Finite.annotate({ description: "seconds" })
}).annotate({ identifier: "PeerDebug" })
export type PeerDebug = typeof PeerDebug.Type

/** One thing that was looked at. `todo` where there is something to do. */
export const Check = Schema.Struct({
  level: Schema.Literals(["ok", "warn", "fail"]),
  name: Schema.String,
  detail: Schema.String,
  todo: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Check" })
export type Check = typeof Check.Type

/** Peers of a tenant, or of all. */
export interface Presence {
  readonly total: number
  readonly online: number
}

/** How syncing goes, as this side sees it. Costs the same however long the history is. */
export class Observing extends Context.Service<Observing, {
  /** Every peer this side syncs with; on hosted those of one tenant where it is named. */
  readonly all: (tenant: string | undefined) => Effect.Effect<ReadonlyArray<PeerMetrics>>
  readonly metrics: (peer: string) => Effect.Effect<PeerMetrics, CommandFailed>
  readonly debug: (peer: string) => Effect.Effect<PeerDebug, CommandFailed>
  /** What `doctor` cannot see from outside. */
  readonly checks: Effect.Effect<ReadonlyArray<Check>>
  /** For Prometheus. */
  readonly gauges: Effect.Effect<ReadonlyArray<Reading>>
  readonly presence: (tenant: string | undefined) => Effect.Effect<Presence>
}>()("streams/Observing") {}

/** What an operator sees move though no table did: alerts and their silences; who is here, and how far behind. */
export type Stirring = "alerts" | "peers"

/** That something of the kind moved, live; never of whom. Silent where nobody looks after several people's peers. */
export const Stirrings = Context.Reference<Stream.Stream<Stirring>>("streams/Stirrings", { defaultValue: () => Stream.never })
