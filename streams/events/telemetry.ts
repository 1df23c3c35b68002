import { Schema } from "effect"
import { event } from "../EventDefinition.ts"
import { nameMaxLength } from "../limits.ts"
import { wellFormed } from "./fields.ts"

/** What happened, how long it took, what it cost. Any `event_type` is welcome. */
export const TelemetryEvent = Schema.Struct({
  event_id: Schema.NonEmptyString.check(wellFormed, Schema.isMaxLength(128)),
  event_type: Schema.NonEmptyString.check(wellFormed, Schema.isMaxLength(128)),
  session_id: Schema.String.check(Schema.isMaxLength(256)),
  timestamp: Schema.String.check(Schema.isMaxLength(nameMaxLength)),
  source_backend: Schema.String.check(Schema.isMaxLength(128)),
  metadata: Schema.Record(Schema.String, Schema.Json),
  latency_ms: Schema.optionalKey(Schema.Finite),
  tokens_used: Schema.optionalKey(Schema.Finite),
  cost_usd: Schema.optionalKey(Schema.Finite),
  model: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(256)))
})

export const telemetryRecorded = event("telemetry", TelemetryEvent)
