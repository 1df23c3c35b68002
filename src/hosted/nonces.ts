import { Clock, Effect, Result } from "effect"
import type { Nonces } from "../../streams/Access.ts"
import { StoreUnavailable } from "../../streams/Backend.ts"
import type { KeyValue } from "../nats/keyValue.ts"
import { makeNonceCache, nonceLife } from "../security/NonceCache.ts"

/** Where the hosted processes share nonces: in the hub's memory, forgotten when no proof with them can hold any more. */
export const nonceBucket = { bucket: "NONCES", ageMax: nonceLife } as const

const spent = new TextEncoder().encode("spent")
const unavailable = new StoreUnavailable({ hint: "The hub does not answer right now; make another proof in a moment." })

/**
 * Nonces used up for every process: whoever first writes one has used it. What this process knows is looked at first,
 * which bounds what one peer can fill the hub's memory with.
 */
export const hostedNonces = (store: KeyValue, seen = makeNonceCache()): Nonces["Service"] => ({
  spend: Effect.fnUntraced(function*(peer: string, nonce: string) {
    const here = seen.spend(peer, nonce, yield* Clock.currentTimeMillis)
    if (here !== "fresh") return here
    const written = yield* Effect.result(store.create(`${peer}.${nonce}`, spent))
    if (Result.isSuccess(written)) return "fresh"
    return written.failure._tag === "KeyConflict" ? "replayed" : yield* unavailable
  })
})
