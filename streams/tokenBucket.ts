/** What is left of a limit, and when that was so (milliseconds since 1970). */
export interface Bucket {
  /** In 60,000ths of what a limit counts: what flows in during a millisecond is then a whole number. */
  readonly tokens: number
  readonly at: number
}

export interface Taken {
  readonly bucket: Bucket
  /** 0: taken. Else nothing was, and this many milliseconds until there is enough. */
  readonly waitMillis: number
}

const minute = 60_000

/** Whole units in a bucket. */
export const unitsIn = (bucket: Bucket): number => Math.floor(bucket.tokens / minute)

/** The bucket as it is now: filled up to a minute's worth by the time that went by. */
export const filled = (held: Bucket | undefined, perMinute: number, now: number): Bucket => {
  const full = perMinute * minute
  // a clock that goes back fills nothing, and takes nothing away
  return held === undefined ? { tokens: full, at: now } : { tokens: Math.min(full, held.tokens + Math.max(0, now - held.at) * perMinute), at: Math.max(now, held.at) }
}

/** Take `amount` from a bucket that holds a minute's worth at most. A request for more than that takes all of a full one. */
export const take = (held: Bucket | undefined, amount: number, perMinute: number, now: number): Taken => {
  const bucket = filled(held, perMinute, now)
  const wanted = Math.min(amount, perMinute) * minute
  return bucket.tokens < wanted
    ? { bucket, waitMillis: Math.ceil((wanted - bucket.tokens) / perMinute) }
    : { bucket: { tokens: bucket.tokens - wanted, at: bucket.at }, waitMillis: 0 }
}
