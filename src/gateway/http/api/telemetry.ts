import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { TelemetryEvent } from "../../../../streams/telemetry.ts"
import { Tenant, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"

const { cost_usd, event_id, event_type, latency_ms, metadata, model, session_id, source_backend, timestamp, tokens_used } = TelemetryEvent.fields

/** What may be left out is filled in: a fresh id, now, no session, the kind of the backend that takes it. */
export const EmitTelemetry = Schema.Struct({
  event_type,
  event_id: Schema.optionalKey(event_id),
  session_id: Schema.optionalKey(session_id),
  timestamp: Schema.optionalKey(timestamp),
  source_backend: Schema.optionalKey(source_backend),
  metadata: Schema.optionalKey(metadata),
  latency_ms, tokens_used, cost_usd, model
}).annotate({ identifier: "EmitTelemetry", examples: [{ event_type: "capture", latency_ms: 12, metadata: { surface: "web" } }] })

/** What became of one event. A frame of the WebSocket's answers too. */
export const TelemetryResult = Schema.Union([
  Schema.Struct({ status: Schema.Literal("acked"), event_id: Schema.String }),
  Schema.Struct({ status: Schema.Literal("rejected"), event_id: Schema.String, error: Schema.String, retry_after_ms: Schema.optionalKey(Schema.Int) })
]).annotate({ identifier: "TelemetryResult" })

const whose = { tenant: Schema.optionalKey(Schema.String).annotate({ description: "whose it is, where an operator asked about everybody" }) }

export const StoredTelemetry = Schema.Struct({
  ...TelemetryEvent.fields,
  peer_id: Schema.String.annotate({ description: "the peer it came from; `self` on the machine it was emitted on" }),
  stored_at: Schema.String,
  seq: Schema.Int,
  ...whose
}).annotate({ identifier: "StoredTelemetry" })

export const TelemetryHour = Schema.Struct({
  hour: Schema.String.annotate({ description: "YYYY-MM-DDTHH, UTC" }),
  event_type: Schema.String,
  model: Schema.NullOr(Schema.String),
  peer_id: Schema.String,
  events: Schema.Int,
  latency_ms_mean: Schema.NullOr(Schema.Finite),
  latency_ms_max: Schema.NullOr(Schema.Finite),
  tokens_used: Schema.Int,
  cost_usd: Schema.Finite,
  ...whose
}).annotate({ identifier: "TelemetryHour" })

const page = { limit: Schema.optionalKey(Schema.Int), cursor: Schema.optionalKey(Schema.String), ...tenantQuery }
/** An ISO time: what happened then or later. */
const since = Schema.optionalKey(Schema.String)
const text = Schema.optionalKey(Schema.String)

/** Telemetry in, telemetry out, and a ticket for those who stream it from a page. An operator reads everybody's, or with `?tenant=` one's. */
export class Telemetry extends HttpApiGroup.make("telemetry").add(
  HttpApiEndpoint.post("emit", "/telemetry", {
    payload: Schema.Union([EmitTelemetry, Schema.Struct({ events: Schema.Array(EmitTelemetry) })]),
    success: Schema.Struct({ results: Schema.Array(TelemetryResult) }),
    error: refusals(413, 429, 503)
  }),
  HttpApiEndpoint.get("list", "/telemetry", {
    query: { source: text, type: text, since, ...page },
    success: Schema.Struct({ events: Schema.Array(StoredTelemetry), next_cursor: Schema.NullOr(Schema.String) }),
    error: refusals(503)
  }),
  HttpApiEndpoint.get("rollups", "/telemetry/rollups", {
    query: { type: text, model: text, peer: text, since, ...page },
    success: Schema.Struct({ hours: Schema.Array(TelemetryHour), next_cursor: Schema.NullOr(Schema.String) }),
    error: refusals(503)
  }),
  HttpApiEndpoint.post("ticket", "/telemetry/:peer_id/ticket", {
    params: { peer_id: Schema.String },
    success: Schema.Struct({ ticket: Schema.String, expires_at: Schema.String }),
    error: refusals(404, 503)
  })
).middleware(Tenant) {}

/**
 * `WS /telemetry/{peer_id}`: one TelemetryEvent per text frame in, one TelemetryResult per text frame out. Lets in by
 * `?ticket=`, by `Sec-WebSocket-Protocol: maestra.v1, sbt.<token>`, or by the Authorization header.
 */
export class TelemetryStream extends HttpApiGroup.make("telemetryStream").add(
  HttpApiEndpoint.get("stream", "/telemetry/:peer_id", {
    params: { peer_id: Schema.String },
    query: { ticket: text },
    headers: { upgrade: text, "sec-websocket-protocol": text },
    success: HttpApiSchema.Empty(101),
    error: refusals(401, 403, 426, 429, 503)
  })
) {}
