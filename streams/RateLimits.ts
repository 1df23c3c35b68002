import { Context, type Effect } from "effect"
import type { TelemetryFrom } from "./TelemetryStore.ts"

/** What limits are counted in: syncs and telemetry events in numbers, a backlog in bytes. */
export type LimitKind = "syncs" | "telemetry" | "bytes"

/** What a draw on a limit came to. `remaining`: what is left of a minute's worth. */
export interface Drawn {
  readonly granted: boolean
  readonly limit: number
  readonly remaining: number
  /** Until as much as was asked for is there; 0 when granted. */
  readonly retryAfterMillis: number
}

/** Rate limits per peer, the same whichever process and door a request comes through. */
export class Limits extends Context.Service<Limits, {
  readonly draw: (who: TelemetryFrom, kind: LimitKind, amount: number) => Effect.Effect<Drawn>
}>()("streams/Limits") {}
