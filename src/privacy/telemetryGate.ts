import type { Settings } from "../../streams/events/settings.ts"
import type { TelemetryEvent } from "../../streams/telemetry.ts"
import { redactOptions } from "./gate.ts"
import { redact } from "./redact.ts"
import { type Json, redactJson } from "./redactJson.ts"

export type TelemetryVerdict =
  | { readonly _tag: "send"; readonly event: TelemetryEvent; readonly changed: boolean }
  /** Stays on this machine for good: nobody wants to hear later what was not to be told now. */
  | { readonly _tag: "withhold"; readonly why: "sync_telemetry" | "surface" }
  /** Not now: the position waits here until the settings change. */
  | { readonly _tag: "stop"; readonly why: "sync_enabled" }

export interface TelemetryGateInput {
  readonly event: TelemetryEvent
  readonly settings: Settings
  /** `h_…`: the keyed hash by which an id is known outside (docs/PROTOCOL.md 6). */
  readonly shareId: (id: string) => string
}

/**
 * What becomes of one telemetry event on its way out. Pure: the same event and settings always get the same verdict, and
 * so one event has one id outside.
 *
 * A surface is looked for in `metadata.surface`; telemetry has no other place for it.
 */
export const telemetryGate = ({ event, settings, shareId }: TelemetryGateInput): TelemetryVerdict => {
  if (!settings.sync_enabled) return { _tag: "stop", why: "sync_enabled" }
  if (!settings.sync_telemetry) return { _tag: "withhold", why: "sync_telemetry" }
  const { surface } = event.metadata
  if (settings.allowed_surfaces !== null && typeof surface === "string" && !settings.allowed_surfaces.includes(surface)) return { _tag: "withhold", why: "surface" }
  // an id by which a person can be known leaves in no setting: it is a name, not something that was said
  const event_id = redact(event.event_id).spans.length === 0 ? event.event_id : shareId(event.event_id)
  if (!settings.redact_pii) return event_id === event.event_id ? { _tag: "send", event, changed: false } : { _tag: "send", event: { ...event, event_id }, changed: true }
  const options = redactOptions(settings)
  const metadata = redactJson(event.metadata as Json, options)
  const text = (value: string, max: number) => redact(value, options).text.slice(0, max)
  const redacted: TelemetryEvent = {
    ...event,
    event_id,
    event_type: text(event.event_type, typeMaxLength),
    session_id: text(event.session_id, sessionMaxLength),
    source_backend: text(event.source_backend, typeMaxLength),
    metadata: metadata.value as TelemetryEvent["metadata"],
    ...(event.model === undefined ? {} : { model: text(event.model, sessionMaxLength) })
  }
  const changed = metadata.changed || (["event_id", "event_type", "session_id", "source_backend", "model"] as const).some((field) => redacted[field] !== event[field])
  return { _tag: "send", event: changed ? redacted : event, changed }
}

/** Placeholders may be longer than what they hide; the limits of the event stay. */
const typeMaxLength = 128
const sessionMaxLength = 256
