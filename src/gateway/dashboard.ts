import { Clock, Effect } from "effect"
import { dashboardBy, dayHours, hourAgo, lastDay } from "../../projections/telemetry/dashboard.ts"
import type { Dashboard } from "./http/api/observing.ts"

/** Peers in the list of the busiest. */
const topMax = 10

/** What telemetry adds up to: of the last day, and by hour, peer, model and type over `hours`. */
export const dashboard = Effect.fnUntraced(function*(tenant: string | undefined, hours: number) {
  const now = yield* Clock.currentTimeMillis
  const range = { tenant, fromHour: hourAgo(now, hours) }
  const total = yield* lastDay(tenant)
  const top = yield* dashboardBy("peer", { tenant, fromHour: hourAgo(now, dayHours) })
  const by = { hour: yield* dashboardBy("hour", range), peer: yield* dashboardBy("peer", range), model: yield* dashboardBy("model", range), type: yield* dashboardBy("type", range) }
  return {
    total_events_24h: total.events,
    avg_latency_ms: total.latency_ms,
    total_cost_24h: total.cost_usd,
    top_peers_by_events: top.slice(0, topMax).map(({ events, key }) => ({ peer_id: key, events })),
    hours,
    by_hour: by.hour.map(({ key, ...figures }) => ({ hour: key, ...figures })),
    by_peer: by.peer.map(({ key, ...figures }) => ({ peer_id: key, ...figures })),
    by_model: by.model.map(({ key, ...figures }) => ({ model: key === "" ? null : key, ...figures })),
    by_type: by.type.map(({ key, ...figures }) => ({ event_type: key, ...figures }))
  } satisfies Omit<typeof Dashboard.Type, "total_peers" | "online_peers">
})
