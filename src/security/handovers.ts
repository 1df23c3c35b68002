import { Duration, Result } from "effect"
import type { KeyRow } from "../../streams/Access.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { isoTime } from "../../streams/time.ts"
import type { AuthorKey } from "./AuthorKeys.ts"
import { publicKey } from "./keys.ts"
import { isCompanionOf } from "./peerId.ts"
import { type Rotation, verifyRotation } from "./proofs.ts"

/** How long the old key's signatures still count once a new one has taken over. */
export const keyGrace = Duration.days(7)

/** One handing over, as `key.rotated` tells it. */
export interface Handover extends Rotation {
  readonly signature: string
}

/** An author's signing keys as its identity tells them, oldest first, the current one last. */
export const keysOfIdentity = (identity: Identity): ReadonlyArray<AuthorKey> => [
  ...(identity.previous_keys ?? []).flatMap(({ grace_ends_at, public_key }) => keyOf(public_key, { until: grace_ends_at })),
  ...keyOf(identity.public_key)
]

/** The same for people: when each took over, and how it stands. `now` as ISO time. */
export const keyRows = (identity: Identity, now: string): ReadonlyArray<KeyRow> => {
  const previous = identity.previous_keys ?? []
  const since = [identity.created_at, ...previous.map(({ replaced_at }) => replaced_at)]
  return keysOfIdentity(identity).map(({ keyId, until }, i): KeyRow => ({
    kind: "signing", key_id: keyId, since: since[i] ?? null, ends_at: until ?? null, status: until === undefined ? "current" : now < until ? "in_grace" : "ended"
  }))
}

const keyOf = (publicPem: string, more: { readonly until?: string } = {}): ReadonlyArray<AuthorKey> => {
  const key = publicKey(publicPem)
  return Result.isSuccess(key) ? [{ keyId: key.success.id, publicKey: publicPem, ...more }] : []
}

/**
 * The way from a key that is known to the one an identity names now: each key's own signature over the next. Empty
 * where it is the known one; `undefined` where no such way leads there.
 */
export const handovers = (knownKeyId: string, author: string, identity: Identity): ReadonlyArray<Handover> | undefined => {
  const previous = identity.previous_keys ?? []
  const keys = [...previous.map(({ public_key }) => public_key), identity.public_key]
  const ids = keys.map((pem) => Result.getOrElse(Result.map(publicKey(pem), ({ id }) => id), () => ""))
  const from = ids.lastIndexOf(knownKeyId)
  if (from === -1 || ids.includes("")) return undefined
  const steps = previous.slice(from).map(({ grace_ends_at, signature }, i): Handover => ({
    peer_id: author, public_key: keys[from + i + 1]!, old_key_id: ids[from + i]!, grace_ends_at, signature
  }))
  return steps.every((step, i) => verifyRotation(keys[from + i]!, step, step.signature)) ? steps : undefined
}

/** Clocks differ; a grace that ends this much later than the longest is one of seven days. */
const graceSkew = Duration.minutes(10)

/** The same for somebody who registers at `now` (milliseconds since 1970): there is no way either where a key keeps itself a longer grace. */
export const handoversAt = (knownKeyId: string, author: string, identity: Identity, now: number): ReadonlyArray<Handover> | undefined => {
  const graceMax = isoTime(now + Duration.toMillis(keyGrace) + Duration.toMillis(graceSkew))
  const steps = handovers(knownKeyId, author, identity)
  return steps?.every(({ grace_ends_at }) => grace_ends_at <= graceMax) === true ? steps : undefined
}

/** Whether a companion's id is made of the key it names now, or of the first one of those that led to it. */
export const isFirstOf = (backendId: string, author: string, identity: Identity, now: number): boolean => {
  const first = identity.previous_keys?.[0]?.public_key ?? identity.public_key
  const key = publicKey(first)
  return Result.isSuccess(key) && isCompanionOf(backendId, first) && handoversAt(key.success.id, author, identity, now) !== undefined
}
