import { Duration } from "effect"
import { millisOf } from "../../streams/time.ts"
import { kindOf } from "../../streams/tokens.ts"
import { onlineFor } from "./observing.ts"
import type { TenantRecord } from "./TenantRecord.ts"

/** What else is known of a tenant's peers. */
export interface PeersSeen {
  readonly positions: ReadonlyArray<{ readonly peer_id: string; readonly log_seq: number; readonly seen_at: string }>
  /** Those for whom another device of theirs vouched. */
  readonly confirmed: ReadonlySet<string>
  /** Where the tenant's log ends. */
  readonly lastSeq: number
  /** Milliseconds since 1970. */
  readonly now: number
}

/** A tenant's peers as lists show them: those registered, then those that may not come back. Pure. */
export const peerRows = ({ devices, gone, tenant, user_id }: TenantRecord, { confirmed, lastSeq, now, positions }: PeersSeen) => [
  ...devices.map(({ backend_id, expires_at, identity, keys, peer_id, registered_at }) => {
    const position = positions.find((one) => one.peer_id === peer_id)
    return {
      peer_id, backend_id, user_id, tenant,
      backend_type: identity.backend_type,
      key_id: keys.at(-1)?.keyId ?? "",
      key_since: keys.at(-1)?.since ?? registered_at,
      registered_at, expires_at,
      last_seen: position?.seen_at ?? null,
      online: position !== undefined && now - millisOf(position.seen_at) < Duration.toMillis(onlineFor),
      log_seq: position?.log_seq ?? 0,
      behind: Math.max(0, lastSeq - (position?.log_seq ?? 0)),
      status: "registered",
      confirmed: confirmed.has(peer_id)
    }
  }),
  ...gone.map(({ at, backend_id, peer_id, what }) => ({
    peer_id, backend_id, user_id, tenant,
    // no more is kept of it than its id, which begins with what it was
    backend_type: kindOf(backend_id) === "local" ? "local" as const : "companion" as const,
    key_id: "", key_since: "", registered_at: "", expires_at: at,
    last_seen: null, online: false, log_seq: 0, behind: 0,
    status: what, confirmed: false
  }))
]
