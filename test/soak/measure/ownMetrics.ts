/** One line of a scrape: `name{label="value"} 1`. */
const lines = (text: string, name: string): ReadonlyArray<readonly [labels: string, value: number]> =>
  [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, "gm"))].map(([, labels = "", value]) => [labels, Number(value)])

/** How syncing went, by what the backends counted themselves. */
export interface SyncSeen {
  readonly syncs: number
  readonly succeeded_share: number
  readonly arrived: number
  /** Seconds from writing on one machine to reading on another, at most: of half of all events, and of 99 of 100. */
  readonly in_step_half_s: number
  readonly in_step_99_s: number
}

/** Counters by name and label; buckets of the arrival age by upper bound in seconds. */
export interface Counted {
  readonly good: number
  readonly bad: number
  readonly buckets: ReadonlyMap<number, number>
}

/** Upper bound of the bucket that holds this share of all. */
const quantile = (buckets: ReadonlyMap<number, number>, share: number): number => {
  const total = buckets.get(Infinity) ?? 0
  return [...buckets].sort(([a], [b]) => a - b).find(([, count]) => count >= share * total)?.[0] ?? Infinity
}

/** Adds up what several local backends answered to `GET /metrics`. */
export const counted = (scrapes: ReadonlyArray<string>): Counted => {
  let good = 0
  let bad = 0
  const buckets = new Map<number, number>()
  for (const text of scrapes) {
    for (const [labels, value] of lines(text, "maestra_syncs_total")) {
      if (labels.includes('"success"')) good += value
      if (labels.includes('"failure"')) bad += value
    }
    for (const [labels, value] of lines(text, "maestra_arrival_age_seconds_bucket")) {
      const bound = /le="([^"]+)"/.exec(labels)?.[1] ?? "+Inf"
      const upTo = bound === "+Inf" ? Infinity : Number(bound)
      buckets.set(upTo, (buckets.get(upTo) ?? 0) + value)
    }
  }
  return { good, bad, buckets }
}

/** What was counted between two looks. */
export const syncSeen = (before: Counted, after: Counted): SyncSeen => {
  const good = after.good - before.good
  const syncs = good + after.bad - before.bad
  const buckets = new Map([...after.buckets].map(([bound, count]) => [bound, count - (before.buckets.get(bound) ?? 0)]))
  return { syncs, succeeded_share: good / Math.max(1, syncs), arrived: buckets.get(Infinity) ?? 0, in_step_half_s: quantile(buckets, 0.5), in_step_99_s: quantile(buckets, 0.99) }
}

/** What was promised of an hour of mixed use: more than 99 % of syncs succeed, and a typical conversation is in step within 5 s. */
export const promised = { succeededShareAbove: 0.99, inStepSeconds: 5 } as const

export const isAsPromised = ({ arrived, in_step_half_s, succeeded_share, syncs }: SyncSeen): boolean =>
  syncs > 0 && arrived > 0 && succeeded_share > promised.succeededShareAbove && in_step_half_s <= promised.inStepSeconds

/** One row of `GET /sync/metrics` as it stood at one moment. */
export interface Told {
  readonly peer: string
  readonly sync_success_rate: number
  readonly sync_lag_seconds: number
}

/** What `GET /sync/metrics` of one backend said of one peer, over all looks. */
export interface PeerSeen {
  readonly peer: string
  readonly looks: number
  readonly success_rate_mean: number
  readonly success_rate_lowest: number
  readonly lag_half_s: number
  readonly lag_99_s: number
}

export const peersSeen = (told: ReadonlyArray<Told>): ReadonlyArray<PeerSeen> =>
  [...Map.groupBy(told, ({ peer }) => peer)].map(([peer, rows]) => {
    const rates = rows.map(({ sync_success_rate }) => sync_success_rate)
    const lags = rows.map(({ sync_lag_seconds }) => sync_lag_seconds).sort((a, b) => a - b)
    const at = (share: number) => lags[Math.min(lags.length - 1, Math.floor(share * lags.length))]!
    return { peer, looks: rows.length, success_rate_mean: rates.reduce((sum, rate) => sum + rate, 0) / rates.length, success_rate_lowest: Math.min(...rates), lag_half_s: at(0.5), lag_99_s: at(0.99) }
  })

export const arePeersAsPromised = (peers: ReadonlyArray<PeerSeen>): boolean =>
  peers.length > 0 && peers.every(({ lag_half_s, success_rate_mean }) => success_rate_mean > promised.succeededShareAbove && lag_half_s < promised.inStepSeconds)
