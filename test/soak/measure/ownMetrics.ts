import { weighs } from "../../../streams/SyncTally.ts"

/** One line of a scrape: `name{label="value"} 1`. */
const lines = (text: string, name: string): ReadonlyArray<readonly [labels: string, value: number]> =>
  [...text.matchAll(new RegExp(`^${name}(\\{[^}]*\\})? (\\S+)$`, "gm"))].map(([, labels = "", value]) => [labels, Number(value)])

/** How syncing went, by what the backends counted themselves. */
export interface SyncSeen {
  readonly tries: number
  readonly succeeded_share: number
  readonly arrived: number
  /** Seconds from writing on one machine to reading on another, at most: of half of all events, and of 99 of 100. */
  readonly in_step_half_s: number
  readonly in_step_99_s: number
}

/** Upper bound of the bucket that holds this share of all. */
const quantile = (buckets: ReadonlyMap<number, number>, share: number): number => {
  const total = buckets.get(Infinity) ?? 0
  return [...buckets].sort(([a], [b]) => a - b).find(([, count]) => count >= share * total)?.[0] ?? Infinity
}

/** Adds up what several local backends answered to `GET /metrics`. */
export const syncSeen = (scrapes: ReadonlyArray<string>): SyncSeen => {
  let good = 0
  let bad = 0
  const buckets = new Map<number, number>()
  for (const text of scrapes) {
    for (const [labels, value] of lines(text, "maestra_sync_attempts_total")) {
      const verdict = Object.entries(weighs).find(([name]) => labels.includes(`"${name}"`))
      if (verdict?.[1] === "success") good += value
      if (verdict?.[1] === "failure") bad += value
    }
    for (const [labels, value] of lines(text, "maestra_arrival_age_seconds_bucket")) {
      const bound = /le="([^"]+)"/.exec(labels)?.[1] ?? "+Inf"
      const upTo = bound === "+Inf" ? Infinity : Number(bound)
      buckets.set(upTo, (buckets.get(upTo) ?? 0) + value)
    }
  }
  return { tries: good + bad, succeeded_share: good / Math.max(1, good + bad), arrived: buckets.get(Infinity) ?? 0, in_step_half_s: quantile(buckets, 0.5), in_step_99_s: quantile(buckets, 0.99) }
}

/** What was promised of an hour of mixed use: more than 99 % of syncs succeed, and a typical conversation is in step within 5 s. */
export const isAsPromised = ({ arrived, in_step_half_s, succeeded_share, tries }: SyncSeen): boolean =>
  tries > 0 && arrived > 0 && succeeded_share > 0.99 && in_step_half_s <= 5
