import { Effect, Result } from "effect"
import type { TelemetryFrom, TelemetryOutcome, TelemetryStore } from "../../../streams/TelemetryStore.ts"
import { telemetryEventMaxBytes } from "../../../streams/limits.ts"
import { tracedBatch } from "../../../streams/tracing.ts"
import { readTelemetry, type TelemetryEvent } from "../../../streams/telemetry.ts"
import { idOf, storeEach } from "../http/handlers/telemetry.ts"

type Read = Result.Result<TelemetryEvent, { readonly event_id: string; readonly error: string }>

/** What a frame holds, or what to answer: one bad frame is its own fault alone. */
export const readFrame = (frame: string | Uint8Array): Read => {
  const refuse = (error: string, event_id = ""): Read => Result.fail({ event_id, error })
  if (typeof frame !== "string") return refuse("a frame is text, and this one is binary")
  // a little more than the event's own limit: white space and longer escapes
  if (frame.length > 2 * telemetryEventMaxBytes) return refuse(`larger than ${telemetryEventMaxBytes} bytes`)
  let json: unknown
  try {
    json = JSON.parse(frame)
  } catch {
    return refuse("not JSON")
  }
  return Result.mapError(readTelemetry(json), (error) => ({ event_id: idOf(json), error }))
}

/** The answers to frames that arrived together, in their order: `acked` only for what is durable. */
export const answerFrames = (store: TelemetryStore["Service"], from: TelemetryFrom, frames: ReadonlyArray<string | Uint8Array>): Effect.Effect<ReadonlyArray<TelemetryOutcome>> =>
  storeEach(store, from, frames.map(readFrame)).pipe(tracedBatch(frames.length))
