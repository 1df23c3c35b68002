import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Alert, Silence } from "../../../../streams/alerts.ts"
import { alertKinds } from "../../../../streams/alertRules.ts"
import { Check, PeerDebug, PeerMetrics } from "../../../../streams/Observing.ts"
import { Operator, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"

const figures = {
  events: Schema.Finite,
  latency_ms: Schema.NullOr(Schema.Finite).annotate({ description: "mean of the events that named one" }),
  tokens_used: Schema.Finite,
  cost_usd: Schema.Finite
}

/** The last 24 hours to the hour, and the same figures by hour, peer, model and type over as many hours as were asked for. */
export const Dashboard = Schema.Struct({
  total_peers: Schema.Int,
  online_peers: Schema.Int,
  total_events_24h: Schema.Finite,
  avg_latency_ms: Schema.NullOr(Schema.Finite),
  total_cost_24h: Schema.Finite.annotate({ description: "US dollars" }),
  top_peers_by_events: Schema.Array(Schema.Struct({ peer_id: Schema.String, events: Schema.Finite })),
  hours: Schema.Int,
  by_hour: Schema.Array(Schema.Struct({ hour: Schema.String.annotate({ description: "YYYY-MM-DDTHH, UTC" }), ...figures })),
  by_peer: Schema.Array(Schema.Struct({ peer_id: Schema.String, ...figures })),
  by_model: Schema.Array(Schema.Struct({ model: Schema.NullOr(Schema.String), ...figures })),
  by_type: Schema.Array(Schema.Struct({ event_type: Schema.String, ...figures }))
}).annotate({ identifier: "Dashboard" })

/** A month: what is silent for longer should be switched off. */
export const silenceMinutesMax = 60 * 24 * 31

const peer = { peer_id: Schema.String }

/** How it goes, for whoever looks after a backend. On hosted `?tenant=` asks about one tenant. */
export class Observing extends HttpApiGroup.make("observing").add(
  HttpApiEndpoint.get("allMetrics", "/sync/metrics", { query: tenantQuery, success: Schema.Struct({ peers: Schema.Array(PeerMetrics) }) }),
  HttpApiEndpoint.get("metrics", "/sync/metrics/:peer_id", { params: peer, success: PeerMetrics, error: refusals(404) }),
  HttpApiEndpoint.get("debugSync", "/debug/sync/:peer_id", { params: peer, success: PeerDebug, error: refusals(404, 503) }),
  HttpApiEndpoint.get("dashboard", "/dashboard/telemetry", {
    query: { ...tenantQuery, hours: Schema.optionalKey(Schema.Int) },
    success: Dashboard,
    error: refusals(503)
  }),
  /** What `maestra doctor` asks a running backend. */
  HttpApiEndpoint.get("checks", "/checks", { success: Schema.Struct({ checks: Schema.Array(Check) }) }),
  /** Those that fire first, then those that were resolved lately; the newest first. */
  HttpApiEndpoint.get("alerts", "/alerts", { success: Schema.Struct({ alerts: Schema.Array(Alert), silences: Schema.Array(Silence) }) }),
  /** Tell nobody for so long: of one kind, of one subject, of both, or of anything. 0 ends it. */
  HttpApiEndpoint.post("silence", "/alerts/silence", {
    payload: Schema.Struct({
      kind: Schema.optionalKey(Schema.NullOr(Schema.Literals(alertKinds))),
      subject: Schema.optionalKey(Schema.NullOr(Schema.String)),
      minutes: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: silenceMinutesMax }))
    }),
    success: Silence
  })
).middleware(Operator) {}
