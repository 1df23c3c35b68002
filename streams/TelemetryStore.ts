import { Context, type Effect } from "effect"
import type { TelemetryEvent } from "./telemetry.ts"

/** Whose telemetry it is: the tenant, and the backend that was told it (`undefined`: the one that stores it). */
export interface TelemetryFrom {
  readonly tenant: string
  readonly backendId: string | undefined
}

/** What became of one telemetry event. `rate_limited` and `unavailable` pass: send it again, with the same id. */
export type TelemetryOutcome =
  | { readonly status: "acked"; readonly event_id: string }
  | { readonly status: "rejected"; readonly event_id: string; readonly error: string; readonly retry_after_ms?: number }

/** Telemetry into the store of this side. */
export class TelemetryStore extends Context.Service<TelemetryStore, {
  /** One outcome per event, in order. `acked` is durable; a second event of one id has no further effect. */
  readonly store: (from: TelemetryFrom, events: ReadonlyArray<TelemetryEvent>) => Effect.Effect<ReadonlyArray<TelemetryOutcome>>
  /** Returns once the tables hold what was acknowledged to this process's callers. */
  readonly settled: Effect.Effect<void>
  /** Whether its registration still holds: a revoked peer is heard no more, whatever token or ticket it came with. */
  readonly isHeard: (from: TelemetryFrom) => Effect.Effect<boolean>
  /** The peer id a caller's telemetry goes under, and the only one it may stream as. */
  readonly peerOf: (from: TelemetryFrom) => string
  /** A fresh event id, the present time and the kind of backend, for those who leave them out. */
  readonly complete: (from: TelemetryFrom, event: Readonly<Record<string, unknown>>) => Effect.Effect<Readonly<Record<string, unknown>>>
}>()("streams/TelemetryStore") {}
