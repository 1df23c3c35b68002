import { Clock, Duration, Effect } from "effect"
import { dashboardBy } from "../../projections/telemetry/dashboard.ts"
import { isoTime } from "../../streams/time.ts"
import type { Dashboard } from "./http/api/observing.ts"

/** Peers in the list of the busiest. */
const topMax = 10
const day = 24

const hourAgo = (now: number, hours: number): string => isoTime(now - Duration.toMillis(Duration.hours(hours))).slice(0, "2026-11-22T10".length)

/** What telemetry adds up to: of the last day, and by hour, peer, model and type over `hours`. */
export const dashboard = Effect.fnUntraced(function*(tenant: string | undefined, hours: number) {
  const now = yield* Clock.currentTimeMillis
  const lastDay = { tenant, fromHour: hourAgo(now, day) }
  const range = { tenant, fromHour: hourAgo(now, hours) }
  const [total] = yield* dashboardBy("total", lastDay)
  const top = yield* dashboardBy("peer", lastDay)
  const by = { hour: yield* dashboardBy("hour", range), peer: yield* dashboardBy("peer", range), model: yield* dashboardBy("model", range), type: yield* dashboardBy("type", range) }
  return {
    total_events_24h: total?.events ?? 0,
    avg_latency_ms: total?.latency_ms ?? null,
    total_cost_24h: total?.cost_usd ?? 0,
    top_peers_by_events: top.slice(0, topMax).map(({ events, key }) => ({ peer_id: key, events })),
    hours,
    by_hour: by.hour.map(({ key, ...figures }) => ({ hour: key, ...figures })),
    by_peer: by.peer.map(({ key, ...figures }) => ({ peer_id: key, ...figures })),
    by_model: by.model.map(({ key, ...figures }) => ({ model: key === "" ? null : key, ...figures })),
    by_type: by.type.map(({ key, ...figures }) => ({ event_type: key, ...figures }))
  } satisfies Omit<typeof Dashboard.Type, "total_peers" | "online_peers">
})
