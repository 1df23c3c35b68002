import { Clock, Duration, Effect, Option, Result, Schema } from "effect"
import type { Drawn, LimitKind } from "../../streams/RateLimits.ts"
import type { KeyValue, KeyValueUnavailable } from "../nats/keyValue.ts"
import { type Bucket, filled, take, unitsIn } from "../../streams/tokenBucket.ts"

/** Limits of the hosted side, per peer and minute. Settings of its operator; benchmarks that raise them say so. */
export interface RateLimits {
  readonly syncsPerMinute: number
  readonly telemetryPerMinute: number
  readonly backlogBytesPerMinute: number
}

export const defaultLimits: RateLimits = { syncsPerMinute: 100, telemetryPerMinute: 1000, backlogBytesPerMinute: 1024 ** 3 }

/** Where the hosted processes share the buckets: in the hub's memory, forgotten after two silent minutes, when a bucket is full anyway. */
export const rateBucket = { bucket: "RATES", ageMax: Duration.minutes(2) } as const

export interface RateBudget {
  /** Draw on a peer's limit. `peer` is `<tenant>.<peer>`. */
  readonly draw: (peer: string, kind: LimitKind, amount: number) => Effect.Effect<Drawn>
}

/** Tokens drawn ahead of use, while a bucket is more than half full: then most requests ask nobody. */
interface Lease {
  left: number
  readonly until: number
}

interface Known {
  readonly bucket: Bucket | undefined
  /** 0: the key is not there. */
  readonly revision: number
}

/** A lease is a twentieth of a minute's worth, so that what other processes hold back unused stays small. */
const leaseShare = 20
const leaseLife = Duration.seconds(5)
/** Peers remembered by one process. */
const peersMax = 100_000
/** Processes that draw for one peer in the same moment. */
const triesMax = 20
/** The hub's memory answers in less than a millisecond. */
const patience = Duration.seconds(1)

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const readBucket = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ tokens: Schema.Finite, at: Schema.Finite })))

/**
 * Token buckets holding a minute's worth per peer and kind, one for all hosted processes: each draw is a compare-and-set on
 * the bucket's key. While more than half is left a draw takes a little more, which the process then spends by itself;
 * below that it takes exactly what is asked, so that the limit is neither passed nor missed.
 *
 * Where the hub's memory does not answer, a process counts by itself: the limit then holds per process.
 */
export const makeRateBudget = (store: KeyValue, limits: RateLimits): RateBudget => {
  const perMinute: Readonly<Record<LimitKind, number>> = { syncs: limits.syncsPerMinute, telemetry: limits.telemetryPerMinute, bytes: limits.backlogBytesPerMinute }
  const leases = new Map<string, Lease>()
  const known = new Map<string, Known>()
  const own = new Map<string, Bucket>()

  const shared = Effect.fnUntraced(function*(key: string, amount: number, spare: number, limit: number): Effect.fn.Return<Drawn, KeyValueUnavailable> {
    const remembered = known.get(key)
    let place = remembered ?? (yield* look(key))
    let isFresh = remembered === undefined
    for (let tries = 0; tries < triesMax; tries++) {
      const now = yield* Clock.currentTimeMillis
      const taken = take(place.bucket, amount - spare, limit, now)
      if (taken.waitMillis > 0 && !isFresh) {
        // others may have taken from it since: how long to wait is told from what is there
        place = yield* look(key)
        isFresh = true
        continue
      }
      if (taken.waitMillis > 0) {
        // told as if there were no lease: it may have ended by then, and another process has none
        return { granted: false, limit, remaining: unitsIn(taken.bucket), retryAfterMillis: take(place.bucket, amount, limit, now).waitMillis }
      }
      const ahead = aheadOf(taken.bucket, limit)
      const bucket = ahead > 0 ? take(taken.bucket, ahead, limit, now).bucket : taken.bucket
      const wrote = yield* Effect.result(store.update(key, encoder.encode(JSON.stringify(bucket)), place.revision))
      if (Result.isSuccess(wrote)) {
        keep(known, key, { bucket, revision: wrote.success })
        if (ahead > 0) keep(leases, key, { left: ahead, until: now + Duration.toMillis(leaseLife) })
        return { granted: true, limit, remaining: unitsIn(bucket) + ahead, retryAfterMillis: 0 }
      }
      if (wrote.failure._tag === "KeyValueUnavailable") return yield* wrote.failure
      place = yield* look(key)
      isFresh = true
    }
    return { granted: false, limit, remaining: 0, retryAfterMillis: 100 }
  })

  const look = (key: string) =>
    Effect.map(store.get(key), (found): Known => Option.match(found, {
      onNone: () => ({ bucket: undefined, revision: 0 }),
      onSome: ({ revision, value }) => ({ bucket: Option.getOrUndefined(readBucket(decoder.decode(value))), revision })
    }))

  const alone = (key: string, amount: number, limit: number, now: number): Drawn => {
    const taken = take(own.get(key), amount, limit, now)
    keep(own, key, taken.bucket)
    return { granted: taken.waitMillis === 0, limit, remaining: unitsIn(taken.bucket), retryAfterMillis: taken.waitMillis }
  }

  return {
    draw: Effect.fnUntraced(function*(peer, kind, amount) {
      const key = `${peer}.${kind}`
      const limit = perMinute[kind]
      const now = yield* Clock.currentTimeMillis
      const lease = leases.get(key)
      if (lease !== undefined && lease.until > now && lease.left >= amount) {
        lease.left -= amount
        const bucket = known.get(key)?.bucket
        return { granted: true, limit, remaining: lease.left + (bucket === undefined ? 0 : unitsIn(filled(bucket, limit, now))), retryAfterMillis: 0 }
      }
      // what is left of a lease counts towards a larger request; nobody else may count on it meanwhile
      const spare = lease !== undefined && lease.until > now ? lease.left : 0
      if (lease !== undefined) lease.left = 0
      const drawn = yield* shared(key, amount, spare, limit).pipe(
        Effect.timeout(patience),
        Effect.orElseSucceed(() => alone(key, amount, limit, now)))
      if (!drawn.granted && lease !== undefined && lease.left === 0) lease.left = spare
      return drawn
    })
  }
}

const aheadOf = (bucket: Bucket, limit: number): number =>
  unitsIn(bucket) > limit / 2 ? Math.floor(limit / leaseShare) : 0

const keep = <A>(map: Map<string, A>, key: string, value: A): void => {
  map.delete(key)
  if (map.size >= peersMax) map.delete(map.keys().next().value!)
  map.set(key, value)
}
