import { Effect, Result, Semaphore } from "effect"
import { count } from "../../streams/metrics.ts"
import { subjects } from "../../streams/subjects.ts"
import { telemetryMessageId } from "../../streams/telemetry.ts"
import type { AppendError, EventLog } from "../nats/EventLog.ts"

/** One event, sealed, on its way into TELEMETRY. */
export interface SealedTelemetry {
  readonly eventId: string
  readonly type: string
  readonly bytes: Uint8Array
  /** The trace of the batch it was emitted in. */
  readonly traceparent?: string
}

/** The end of TELEMETRY: what every door of this process stores through. */
export interface TelemetryLog {
  /** Durable when it returns, in order of the events: its sequence, or why not. Nothing of one costs another. */
  readonly store: (tenant: string, peer: string, events: ReadonlyArray<SealedTelemetry>) => Effect.Effect<ReadonlyArray<Result.Result<number, AppendError>>>
  /** The highest sequence acknowledged here. */
  readonly stored: () => number
}

/**
 * Publishes on their way at once, of all connections and peers together: one after the other a server syncs 2,200 a
 * second, side by side 5,000. (Never an atomic batch: in those a message id is refused.)
 */
const inFlightMax = 256

export const makeTelemetryLog = (log: EventLog): TelemetryLog => {
  const inFlight = Semaphore.makeUnsafe(inFlightMax)
  let highest = 0
  const storeOne = (tenant: string, peer: string, event: SealedTelemetry) =>
    log.append([{ subject: subjects.telemetry(tenant, peer, event.type), data: event.bytes, messageId: telemetryMessageId(peer, event.eventId) }]).pipe(
      inFlight.withPermits(1),
      Effect.map(({ last }) => {
        highest = Math.max(highest, last)
        return last
      }),
      Effect.result,
      Effect.tap((stored) => Effect.sync(() => count("maestra_telemetry_events_total", { outcome: Result.isSuccess(stored) ? "stored" : "failed" }))))
  return {
    store: (tenant, peer, events) => Effect.forEach(events, (event) => storeOne(tenant, peer, event), { concurrency: "unbounded" }),
    stored: () => highest
  }
}
