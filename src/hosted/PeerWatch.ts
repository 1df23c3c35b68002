import { SyncTally } from "../../streams/SyncTally.ts"
import type { HeadRequest, VerdictName } from "../../streams/Verdict.ts"
import { millisOf } from "../../streams/time.ts"
import { Waits } from "../../streams/Waits.ts"

/** What this process has seen of one peer. In memory: another process, and the next run, see for themselves. */
export interface Watched {
  readonly tally: SyncTally
  /** What lies in the log and the peer has not fetched. */
  readonly toFetch: Waits
  /** What was written there and is not in the log. */
  readonly toCommit: Waits
  /** How many of those, when it last said. */
  pending: number
  /** How far its clock is from ours, when it last said: positive where it is ahead. */
  skewMillis: number | undefined
  /** When it was last heard of; 0: not by this process. */
  seenAt: number
}

/** How each peer's syncing goes, as it passes through this process. */
export class PeerWatch {
  readonly #peers = new Map<string, Watched>()

  of(peer: string): Watched {
    const held = this.#peers.get(peer)
    if (held !== undefined) return held
    const fresh: Watched = { tally: new SyncTally(), toFetch: new Waits(), toCommit: new Waits(), pending: 0, skewMillis: undefined, seenAt: 0 }
    this.#peers.set(peer, fresh)
    return fresh
  }

  answered(peer: string, verdict: VerdictName, eventId: string, now: number): void {
    this.of(peer).tally.record(now, verdict, eventId === "" ? "" : `event ${eventId}`)
  }

  /** It said how far its journal goes; `head` is its last record here. A new journal has nothing in the log yet. */
  reported(peer: string, { journal, journal_seq, time }: HeadRequest, head: { readonly journal: string; readonly to: number } | undefined, now: number): void {
    const watched = this.of(peer)
    const through = head?.journal === journal ? head.to : 0
    watched.pending = Math.max(0, journal_seq - through)
    watched.seenAt = now
    watched.skewMillis = time === undefined ? undefined : millisOf(time) - now
    watched.toCommit.look(now, journal_seq, through)
  }

  /** Peers that are no peers any more are forgotten. */
  keepOnly(peers: ReadonlySet<string>): void {
    for (const peer of this.#peers.keys()) if (!peers.has(peer)) this.#peers.delete(peer)
  }
}
