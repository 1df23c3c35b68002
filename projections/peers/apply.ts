import type { Fact, FactOf } from "../../streams/catalog.ts"
import type { Identity } from "../../streams/events/peer.ts"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import { keyIdOf } from "./keyId.ts"

type Revoked = FactOf<"peer.revoked">["data"]
type Rotated = FactOf<"key.rotated">["data"]
export type PeerFact = FactOf<"peer.registered" | "peer.renewed" | "peer.confirmed" | "peer.revoked" | "key.rotated">

interface At<A> {
  readonly stamp: Stamp
  readonly value: A
}

/** What is known of one peer. `hosted` has rotations only: its first key comes with the pairing code. */
export interface State {
  /** The first registration: its key is the one pinned. */
  readonly first: At<Identity> | null
  /** The registration in force: identity and expiry of the latest. */
  readonly latest: At<{ readonly identity: Identity; readonly expires_at: string }> | null
  /** Keys a paired device has vouched for. */
  readonly confirmed: ReadonlyArray<string>
  readonly revoked: At<Revoked> | null
  readonly rotations: ReadonlyArray<At<Rotated>>
}

export const empty: State = { first: null, latest: null, confirmed: [], revoked: null, rotations: [] }

export const isPeerFact = (fact: Fact): fact is PeerFact =>
  fact.type === "peer.registered" || fact.type === "peer.renewed" || fact.type === "peer.confirmed" ||
  fact.type === "peer.revoked" || fact.type === "key.rotated"

/** Fold one event of one peer. Pure and total; order and repetition do not change the result. */
export const apply = (state: State, event: { readonly fact: PeerFact; readonly stamp: Stamp }): State => {
  const { fact, stamp } = event
  const at = <A>(value: A): At<A> => ({ stamp, value })
  switch (fact.type) {
    case "peer.registered":
    case "peer.renewed": {
      const { expires_at, identity } = fact.data
      return {
        ...state,
        first: state.first !== null && compare(state.first.stamp, stamp) <= 0 ? state.first : at(identity),
        latest: state.latest !== null && compare(state.latest.stamp, stamp) >= 0 ? state.latest : at({ identity, expires_at })
      }
    }
    case "peer.confirmed":
      return state.confirmed.includes(fact.data.key_id) ? state : { ...state, confirmed: [...state.confirmed, fact.data.key_id].sort() }
    case "peer.revoked":
      // for good: what was revoked first stays, whatever is written after it
      return { ...state, revoked: state.revoked !== null && compare(state.revoked.stamp, stamp) <= 0 ? state.revoked : at(fact.data) }
    case "key.rotated":
      return state.rotations.some((held) => compare(held.stamp, stamp) === 0)
        ? state
        : { ...state, rotations: [...state.rotations, at(fact.data)].sort((a, b) => compare(a.stamp, b.stamp)) }
  }
}

/** One key of an author. `public_key` is null where only its id is known (hosted's first). */
export interface Key {
  readonly key_id: string
  readonly public_key: string | null
  readonly since: string
  /** When signatures by it end to count; null: it is the current key. */
  readonly grace_ends_at: string | null
}

/**
 * An author's keys, oldest first, the last one current. Only a rotation that names the key current at that time
 * continues the list: another key in a later registration does not.
 */
export const keysOf = (state: State): ReadonlyArray<Key> => {
  const start = startOf(state)
  if (start === null) return []
  const keys: Array<Key> = [start]
  for (const { stamp, value } of state.rotations) {
    const held = keys[keys.length - 1]!
    if (held.key_id !== value.old_key_id) continue
    keys[keys.length - 1] = { ...held, grace_ends_at: value.grace_ends_at }
    keys.push({ key_id: keyIdOf(value.public_key), public_key: value.public_key, since: stamp.time, grace_ends_at: null })
  }
  return keys
}

const startOf = ({ first, rotations }: State): Key | null => {
  if (first !== null) {
    const { public_key } = first.value
    return { key_id: keyIdOf(public_key), public_key, since: first.stamp.time, grace_ends_at: null }
  }
  const rotation = rotations[0]
  return rotation === undefined
    ? null
    : { key_id: rotation.value.old_key_id, public_key: null, since: rotation.stamp.time, grace_ends_at: null }
}

/** A peer as lists show it. */
export interface Peer {
  readonly peer_id: string
  readonly backend_id: string
  readonly backend_type: Identity["backend_type"]
  readonly capabilities: ReadonlyArray<string>
  readonly public_key: string
  readonly wrap_key: string
  readonly key_id: string
  /** Since when it signs with this key. */
  readonly key_since: string
  readonly registered_at: string
  readonly expires_at: string
  /** A paired device vouched for one of its keys; a rotation carries that over. */
  readonly confirmed: boolean
  readonly revoked: { readonly at: string; readonly cause: Revoked["cause"]; readonly note?: string } | null
}

/** The peer in a list, or null while it has not registered. */
export const peerOf = (peerId: string, state: State): Peer | null => {
  const keys = keysOf(state)
  const key = keys[keys.length - 1]
  if (state.first === null || state.latest === null || key === undefined) return null
  const { expires_at, identity } = state.latest.value
  return {
    peer_id: peerId,
    backend_id: identity.backend_id,
    backend_type: identity.backend_type,
    capabilities: identity.capabilities,
    public_key: key.public_key ?? identity.public_key,
    wrap_key: identity.wrap_key,
    key_id: key.key_id,
    key_since: key.since,
    registered_at: state.first.stamp.time,
    expires_at,
    confirmed: keys.some(({ key_id }) => state.confirmed.includes(key_id)),
    revoked: state.revoked === null
      ? null
      : {
        at: state.revoked.stamp.time,
        cause: state.revoked.value.cause,
        ...(state.revoked.value.note === undefined ? {} : { note: state.revoked.value.note })
      }
  }
}
