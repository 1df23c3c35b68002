/** Limits of the hosted side, per peer. Settings of its operator; benchmarks that raise them say so. */
export interface RateLimits {
  readonly syncsPerMinute: number
  readonly backlogBytesPerMinute: number
}

export const defaultLimits: RateLimits = { syncsPerMinute: 100, backlogBytesPerMinute: 1024 ** 3 }

interface Bucket {
  /** In 60,000ths of what a limit counts: what flows in during a millisecond is then a whole number. */
  tokens: number
  at: number
}

const minute = 60_000
/** Peers remembered; one that was silent for a minute has a full bucket anyway. */
const peersMax = 100_000

/**
 * Token buckets holding a minute's worth. A commit with more behind it is a backlog, not chatter: it draws on a
 * budget of bytes instead. Returns 0, or the milliseconds until there is enough.
 */
export const makeRateBudget = (limits: RateLimits) => {
  const syncs = new Map<string, Bucket>()
  const bytes = new Map<string, Bucket>()
  const draw = (buckets: Map<string, Bucket>, peer: string, amount: number, perMinute: number, now: number): number => {
    const held = buckets.get(peer)
    const flowed = held === undefined ? Infinity : held.tokens + Math.max(0, now - held.at) * perMinute
    const tokens = Math.min(perMinute * minute, flowed)
    // one request never asks for more than there can be
    const wanted = Math.min(amount, perMinute) * minute
    buckets.delete(peer)
    if (buckets.size >= peersMax) buckets.delete(buckets.keys().next().value!)
    buckets.set(peer, { tokens: tokens < wanted ? tokens : tokens - wanted, at: now })
    return tokens < wanted ? Math.ceil((wanted - tokens) / perMinute) : 0
  }
  return (peer: string, size: number, backlog: boolean, now: number): number =>
    backlog ? draw(bytes, peer, size, limits.backlogBytesPerMinute, now) : draw(syncs, peer, 1, limits.syncsPerMinute, now)
}
