import { Effect } from "effect"
import { type Alerts } from "../../streams/alerts.ts"
import { alertKinds } from "../../streams/alertRules.ts"
import type { Reading } from "../../streams/metrics.ts"
import type { Observing } from "../../streams/Observing.ts"
import { millisOf } from "../../streams/time.ts"

/** What a side adds to what is the same on both. */
export interface GaugesOf {
  readonly side: "local" | "hosted"
  readonly version: string
  readonly observing: Pick<Observing["Service"], "all" | "presence">
  readonly alerts: Alerts["Service"]
  readonly quarantined: Effect.Effect<number>
  /** What telemetry of the last day adds up to, of everybody here. */
  readonly lastDay: Effect.Effect<{ readonly events: number; readonly latency_ms: number | null; readonly cost_usd: number }>
  /** null: the system does not say. */
  readonly diskFreeBytes: () => number | null
  readonly waitingBytes?: () => number
}

/** Everything that is read only when somebody looks. */
export const gaugesOf = Effect.fnUntraced(function*(of: GaugesOf): Effect.fn.Return<ReadonlyArray<Reading>> {
  const readings: Array<Reading> = []
  const say = (name: Reading["name"], value: number, labels: Reading["labels"] = {}) => readings.push({ name, labels, value })
  say("maestra_build_info", 1, { side: of.side, version: of.version })
  const { online, total } = yield* of.observing.presence(undefined)
  say("maestra_peers", total)
  say("maestra_peers_online", online)
  for (const peer of yield* of.observing.all(undefined)) {
    const labels = { peer_id: peer.peer_id }
    say("maestra_peer_sync_lag_seconds", peer.sync_lag_seconds, labels)
    say("maestra_peer_queue_depth", peer.queue_depth, labels)
    say("maestra_peer_sync_success_ratio", peer.sync_success_rate, labels)
    say("maestra_peer_commits", peer.total_syncs, labels)
    say("maestra_peer_events", peer.total_events, labels)
    if (peer.last_sync !== null) say("maestra_peer_last_sync_timestamp_seconds", millisOf(peer.last_sync) / 1000, labels)
  }
  say("maestra_quarantined_places", yield* of.quarantined)
  const day = yield* of.lastDay
  say("maestra_telemetry_day_events", day.events)
  if (day.latency_ms !== null) say("maestra_telemetry_day_latency_seconds", day.latency_ms / 1000)
  say("maestra_telemetry_day_cost_usd", day.cost_usd)
  const free = of.diskFreeBytes()
  if (free !== null) say("maestra_disk_free_bytes", free)
  if (of.waitingBytes !== undefined) say("maestra_ingest_waiting_bytes", of.waitingBytes())
  const firing = (yield* of.alerts.list).alerts.filter(({ status }) => status === "firing")
  for (const kind of alertKinds) say("maestra_alerts_firing", firing.filter((alert) => alert.kind === kind).length, { kind })
  say("process_resident_memory_bytes", process.memoryUsage.rss())
  return readings
})
