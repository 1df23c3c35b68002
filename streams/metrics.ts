import { Context, Effect, Exit, Metric } from "effect"

/** One figure that is counted or measured. Names and units follow Prometheus' conventions. */
export interface MetricRow {
  readonly type: "counter" | "histogram" | "gauge"
  readonly help: string
  readonly labels: ReadonlyArray<string>
  /** Upper bounds, of histograms. */
  readonly buckets?: ReadonlyArray<number>
}

/** Seconds. A fsynced write takes half a millisecond, a person waits for seconds. */
const durations = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
const counts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
const sizes = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304]

/**
 * Every metric there is. What is counted and measured as it happens comes first; gauges are read when somebody looks.
 * Prometheus rules and the Grafana dashboard in `infra/` name nothing else, which a test holds them to.
 */
export const metricTable = {
  maestra_http_requests_total: { type: "counter", help: "Requests that were answered", labels: ["method", "status"] },
  maestra_http_request_duration_seconds: { type: "histogram", help: "From a request's arrival to its answer's beginning", labels: ["method"], buckets: durations },
  maestra_append_duration_seconds: { type: "histogram", help: "Appends to a stream, from the request to the fsynced acknowledgement", labels: ["stream"], buckets: durations },
  maestra_append_messages: { type: "histogram", help: "Messages in one append", labels: ["stream"], buckets: counts },
  maestra_append_failures_total: { type: "counter", help: "Appends that failed, by reason", labels: ["stream", "reason"] },
  maestra_projected_entries_total: { type: "counter", help: "Entries the tables took in, by the log they came from", labels: ["input"] },
  maestra_projection_duration_seconds: { type: "histogram", help: "One batch into the tables, its commit included", labels: ["input"], buckets: durations },
  maestra_sync_attempts_total: { type: "counter", help: "Tries of this machine to bring a commit over, by verdict", labels: ["verdict"] },
  maestra_syncs_total: { type: "counter", help: "Syncs as the success ratio counts them: silence is one failure for 30 s of it", labels: ["outcome"] },
  maestra_sync_duration_seconds: { type: "histogram", help: "One try to bring a commit over, from the request to the verdict", labels: [], buckets: durations },
  maestra_commit_events: { type: "histogram", help: "Events in one commit that left", labels: [], buckets: counts },
  maestra_commit_size_bytes: { type: "histogram", help: "Sealed bytes of one commit that left", labels: [], buckets: sizes },
  maestra_mirrored_events_total: { type: "counter", help: "Events of others that arrived here", labels: [] },
  maestra_arrival_age_seconds: { type: "histogram", help: "From the writing of an event on another machine to its being in the tables here; what was read late counts as late", labels: [], buckets: durations },
  maestra_ingest_commits_total: { type: "counter", help: "Commits that were judged, by verdict", labels: ["verdict"] },
  maestra_ingest_duration_seconds: { type: "histogram", help: "One commit, from its arrival to its verdict", labels: [], buckets: durations },
  maestra_group_commits: { type: "histogram", help: "Commits that shared one atomic batch", labels: [], buckets: counts },
  maestra_telemetry_events_total: { type: "counter", help: "Telemetry events, by what became of them", labels: ["outcome"] },

  maestra_build_info: { type: "gauge", help: "1; the labels say what runs", labels: ["side", "version"] },
  maestra_peers: { type: "gauge", help: "Registered peers", labels: [] },
  maestra_peers_online: { type: "gauge", help: "Peers that reported within 30 s", labels: [] },
  maestra_peer_sync_lag_seconds: { type: "gauge", help: "How long the oldest thing that is not there yet has waited", labels: ["peer_id"] },
  maestra_peer_queue_depth: { type: "gauge", help: "Events written there and not committed yet", labels: ["peer_id"] },
  maestra_peer_sync_success_ratio: { type: "gauge", help: "Share of syncs that succeeded, of the last 15 minutes", labels: ["peer_id"] },
  maestra_peer_last_sync_timestamp_seconds: { type: "gauge", help: "When it last synced", labels: ["peer_id"] },
  maestra_peer_commits: { type: "gauge", help: "Its commits in the log", labels: ["peer_id"] },
  maestra_peer_events: { type: "gauge", help: "Its events in the log", labels: ["peer_id"] },
  maestra_telemetry_day_events: { type: "gauge", help: "Telemetry events of the last 24 hours", labels: [] },
  maestra_telemetry_day_latency_seconds: { type: "gauge", help: "Mean latency of those that named one", labels: [] },
  maestra_telemetry_day_cost_usd: { type: "gauge", help: "What they cost together", labels: [] },
  maestra_ingest_waiting_bytes: { type: "gauge", help: "Commits that wait for their batch", labels: [] },
  maestra_quarantined_places: { type: "gauge", help: "Places in the log that do not verify", labels: [] },
  maestra_disk_free_bytes: { type: "gauge", help: "Room under the store", labels: [] },
  maestra_alerts_firing: { type: "gauge", help: "Alerts that fire, silenced ones too", labels: ["kind"] },
  process_resident_memory_bytes: { type: "gauge", help: "Memory of this process", labels: [] }
} as const satisfies Record<string, MetricRow>

type Table = typeof metricTable
type OfType<T extends MetricRow["type"]> = { [K in keyof Table]: Table[K]["type"] extends T ? K : never }[keyof Table]
type Labels<K extends keyof Table> = { readonly [L in Table[K]["labels"][number]]: string }

/** A gauge as it is when somebody looks. */
export interface Reading {
  readonly name: OfType<"gauge">
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const registered = new Map<string, Metric.Metric<number, unknown>>()
const none = Context.empty()

const metricOf = (name: string, row: MetricRow, labels: Readonly<Record<string, string>>): Metric.Metric<number, unknown> => {
  const key = `${name}/${Object.values(labels).join("/")}`
  const held = registered.get(key)
  if (held !== undefined) return held
  const options = { description: row.help }
  const bare: Metric.Metric<number, unknown> = row.type === "counter"
    ? Metric.counter(name, { ...options, incremental: true })
    : row.type === "gauge"
    ? Metric.gauge(name, options)
    : Metric.histogram(name, { ...options, boundaries: row.buckets ?? durations })
  const made = Metric.withAttributes(bare, labels)
  registered.set(key, made)
  return made
}

/** Add to a counter. Costs a look into a map. */
export const count = <K extends OfType<"counter">>(name: K, labels: Labels<K>, by = 1): void =>
  metricOf(name, metricTable[name], labels).updateUnsafe(by, none)

/** Measure a value into a histogram. */
export const observe = <K extends OfType<"histogram">>(name: K, labels: Labels<K>, value: number): void =>
  metricOf(name, metricTable[name], labels).updateUnsafe(value, none)

/** Measure how long an effect takes, in seconds, whatever comes of it but an interruption. */
export const timed = <K extends OfType<"histogram">>(name: K, labels: Labels<K>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.clockWith((clock) => {
      const began = clock.monotonicTimeNanosUnsafe()
      return Effect.onExit(effect, (exit) => Effect.sync(() => {
        if (!Exit.hasInterrupts(exit)) observe(name, labels, Number(clock.monotonicTimeNanosUnsafe() - began) / 1e9)
      }))
    })

/** Gauges as metrics of a registry of their own: a peer that is gone is not there any more. */
export const registryOf = (readings: ReadonlyArray<Reading>): Context.Context<never> => {
  const registry = Context.make(Metric.MetricRegistry, new Map())
  for (const { labels, name, value } of readings) Metric.withAttributes(Metric.gauge(name, { description: metricTable[name].help }), labels).updateUnsafe(value, registry)
  return registry
}
