import { Clock, Duration, Effect } from "effect"
import type { Nonces } from "../../streams/Access.ts"

/** A proof may be 60 s ahead and is good for 60 s after: a nonce kept for 120 s outlives its proof. */
export const nonceLife = Duration.seconds(120)

export interface NonceCache {
  /** Use a nonce up. `now` in milliseconds since 1970. A full cache refuses: forgetting one would let it be replayed. */
  readonly spend: (peerId: string, nonce: string, now: number) => "fresh" | "replayed" | "too-many"
}

/** The nonces this process has seen. Where a side has several processes, what is new here may have been used at another. */
export const makeNonceCache = (limits = { perPeerMax: 1000, max: 100_000 }): NonceCache => {
  const spentAt = new Map<string, number>()
  const countOf = new Map<string, number>()
  const keyOf = (peerId: string, nonce: string) => `${peerId} ${nonce}`

  const forgetOld = (now: number) => {
    // a Map keeps the order of insertion, so the oldest are in front
    for (const [key, at] of spentAt) {
      if (now - at <= Duration.toMillis(nonceLife)) return
      spentAt.delete(key)
      const peerId = key.slice(0, key.indexOf(" "))
      const left = countOf.get(peerId)! - 1
      if (left === 0) countOf.delete(peerId)
      else countOf.set(peerId, left)
    }
  }

  return {
    spend: (peerId, nonce, now) => {
      forgetOld(now)
      const key = keyOf(peerId, nonce)
      if (spentAt.has(key)) return "replayed"
      const count = countOf.get(peerId) ?? 0
      if (count >= limits.perPeerMax || spentAt.size >= limits.max) return "too-many"
      spentAt.set(key, now)
      countOf.set(peerId, count + 1)
      return "fresh"
    }
  }
}

/** Nonces of a side that is one process. */
export const nonces = (cache: NonceCache = makeNonceCache()): Nonces["Service"] => ({
  spend: (peer, nonce) => Effect.map(Clock.currentTimeMillis, (now) => cache.spend(peer, nonce, now))
})
