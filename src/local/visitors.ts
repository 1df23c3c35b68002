import { createHash, randomBytes } from "node:crypto"
import { Clock, Duration, Effect } from "effect"
import type { Ticket, Tickets } from "../../streams/Access.ts"
import type { Limits, LimitKind } from "../../streams/RateLimits.ts"
import { isoTime } from "../../streams/time.ts"
import { type Bucket, take, unitsIn } from "../../streams/tokenBucket.ts"

/** A minute's worth for each companion that talks to this machine. What goes on from here is limited by the hosted side as this machine's. */
const perMinute: Readonly<Record<LimitKind, number>> = { syncs: 100, telemetry: 1000, bytes: 1024 ** 3 }
/** Companions of one person, with room for those that make up names. */
const companionsMax = 1000

/** Limits of a local backend: one process, so they are kept in it. The person at the machine has none. */
export const localLimits = (limits: Readonly<Record<LimitKind, number>> = perMinute): Limits["Service"] => {
  const buckets = new Map<string, Bucket>()
  return {
    draw: ({ backendId }, kind, amount) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const limit = limits[kind]
        if (backendId === undefined) return { granted: true, limit: 0, remaining: 0, retryAfterMillis: 0 }
        const key = `${backendId} ${kind}`
        const { bucket, waitMillis } = take(buckets.get(key), amount, limit, now)
        buckets.delete(key)
        if (buckets.size >= companionsMax) buckets.delete(buckets.keys().next().value!)
        buckets.set(key, bucket)
        return { granted: waitMillis === 0, limit, remaining: unitsIn(bucket), retryAfterMillis: waitMillis }
      })
  }
}

const ticketLife = Duration.seconds(30)
/** Tickets not yet used; one lives for 30 s. */
const ticketsMax = 1000

/** Tickets of a local backend. Held as digests, so that comparing takes no longer for a near miss. */
export const localTickets = (): Tickets["Service"] => {
  const held = new Map<string, Ticket & { readonly until: number }>()
  const keyOf = (ticket: string) => createHash("sha256").update(ticket).digest("base64url")
  return {
    issue: (about) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const ticket = randomBytes(32).toString("base64url")
        const until = now + Duration.toMillis(ticketLife)
        if (held.size >= ticketsMax) held.delete(held.keys().next().value!)
        held.set(keyOf(ticket), { ...about, until })
        return { ticket, expires_at: isoTime(until) }
      }),
    redeem: (ticket) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const key = keyOf(ticket)
        const found = held.get(key)
        held.delete(key)
        return found === undefined || found.until <= now ? undefined : found
      })
  }
}
