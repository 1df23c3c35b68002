import { Clock, Duration, Effect } from "effect"
import { isoTime } from "../../streams/time.ts"
import { Sqlite } from "../Sqlite.ts"

/** What telemetry adds up to, in the units of the wire. */
interface Figures {
  readonly events: number
  /** Mean of those that named one. */
  readonly latency_ms: number | null
  readonly tokens_used: number
  readonly cost_usd: number
}

export interface DashboardWanted {
  /** `undefined`: all tenants. */
  readonly tenant: string | undefined
  /** The first hour that counts, `YYYY-MM-DDTHH` in UTC. */
  readonly fromHour: string
}

/** What figures are told by, and how many rows at most: a dashboard is looked at, not exported. */
const groups = {
  total: { key: "''", order: "1", limit: 1 },
  hour: { key: "hour", order: "1", limit: 24 * 31 },
  peer: { key: "peer", order: "events desc, 1", limit: 50 },
  model: { key: "model", order: "events desc, 1", limit: 50 },
  type: { key: "type", order: "events desc, 1", limit: 50 }
} as const
type Group = keyof typeof groups

interface Sums {
  readonly key: string
  readonly events: number
  readonly latencyEvents: number
  readonly latencyMicros: number
  readonly tokens: number
  readonly costNanos: number
}

/** Figures since an hour, by one thing. Reads the roll-ups of those hours and nothing older. */
export const dashboardBy = Effect.fnUntraced(function*(group: Group, { fromHour, tenant }: DashboardWanted) {
  const sqlite = yield* Sqlite
  const { key, limit, order } = groups[group]
  const rows = yield* sqlite.all<Sums>(
    `select ${key} as key, total(events) as events, total(latency_events) as latencyEvents, total(latency) as latencyMicros, total(tokens) as tokens, total(cost) as costNanos
     from telemetry_hour ${tenant === undefined ? "indexed by telemetry_hour_recent where hour >= ?1 and ?2 is null" : "where hour >= ?1 and tenant = (select id from tenant where name = ?2)"}
     group by 1 order by ${order} limit ${limit}`,
    fromHour, tenant ?? null)
  return rows.map(({ costNanos, events, key, latencyEvents, latencyMicros, tokens }): Figures & { readonly key: string } => ({
    key,
    events,
    latency_ms: latencyEvents === 0 ? null : latencyMicros / latencyEvents / 1000,
    tokens_used: tokens,
    cost_usd: costNanos / 1e9
  }))
})

/** So many hours before now, as roll-ups name it. */
export const hourAgo = (now: number, hours: number): string => isoTime(now - Duration.toMillis(Duration.hours(hours))).slice(0, "2026-11-22T10".length)

export const dayHours = 24

/** Everything of the last day together, of one tenant or of all. */
export const lastDay = Effect.fnUntraced(function*(tenant: string | undefined) {
  const [total] = yield* dashboardBy("total", { tenant, fromHour: hourAgo(yield* Clock.currentTimeMillis, dayHours) })
  return { events: total?.events ?? 0, latency_ms: total?.latency_ms ?? null, cost_usd: total?.cost_usd ?? 0 }
})
