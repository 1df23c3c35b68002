import { Duration, Effect, PubSub } from "effect"
import { SyncTally } from "../../streams/SyncTally.ts"
import type { HeadRequest, VerdictName } from "../../streams/Verdict.ts"
import { millisOf } from "../../streams/time.ts"
import { Waits } from "../../streams/Waits.ts"
import type { Sighting } from "./sightings.ts"

/** What is known of one peer: what this process saw, and what others told of (`sightings.ts`). In memory. */
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
  /** When it was last heard of; 0: not in the last hour. */
  seenAt: number
}

/** Sightings kept while the hub takes none; beyond, the oldest are not told. */
const untoldMax = 10_000
/** A peer that says the same as before is told of this often. */
const tellAgainAfter = Duration.toMillis(Duration.minutes(1))
/** One that was silent for longer has just come back; they report every ten seconds. */
const awayAfterMillis = Duration.toMillis(Duration.seconds(30))
/** A clock that moved by less is the same. */
const skewSameMillis = 1000

type Report = Extract<Sighting, { readonly kind: "report" }>

/** How each peer's syncing goes, whichever hosted process it passes through. */
export class PeerWatch {
  readonly #onMoved: () => void
  readonly #peers = new Map<string, Watched>()
  readonly #reports = new Map<string, Report>()
  #untold: Array<Sighting> = []
  /** Where in `#untold` each peer's last try is. */
  readonly #lastTries = new Map<string, number>()

  /** `onMoved`: something may be told of a peer that was not told before. */
  constructor(onMoved: () => void = () => undefined) {
    this.#onMoved = onMoved
  }

  of(peer: string): Watched {
    const held = this.#peers.get(peer)
    if (held !== undefined) return held
    const fresh: Watched = { tally: new SyncTally(), toFetch: new Waits(), toCommit: new Waits(), pending: 0, skewMillis: undefined, seenAt: 0 }
    this.#peers.set(peer, fresh)
    return fresh
  }

  answered(peer: string, verdict: VerdictName, eventId: string, now: number): void {
    this.#see({ kind: "try", peer, at: now, outcome: verdict, about: eventId === "" ? "" : `event ${eventId}`, times: 1 })
  }

  /** It said how far its journal goes; `head` is its last record here. A new journal has nothing in the log yet. */
  reported(peer: string, { journal, journal_seq, time }: HeadRequest, head: { readonly journal: string; readonly to: number } | undefined, now: number): void {
    const through = head?.journal === journal ? head.to : 0
    const report: Report = { kind: "report", peer, at: now, pending: Math.max(0, journal_seq - through), skew: time === undefined ? null : millisOf(time) - now, written: journal_seq, through }
    const told = this.#reports.get(peer)
    if (told !== undefined && isSame(told, report)) return this.take(report)
    this.#reports.set(peer, report)
    this.#see(report)
  }

  /** What was seen here, or elsewhere. */
  take(sighting: Sighting): void {
    const watched = this.of(sighting.peer)
    if (sighting.kind === "try") {
      if (sighting.outcome !== "committed") this.#onMoved()
      return void watched.tally.record(sighting.at, sighting.outcome, sighting.about, sighting.times)
    }
    if (sighting.at < watched.seenAt) return
    if (sighting.pending !== watched.pending || sighting.at - watched.seenAt > awayAfterMillis) this.#onMoved()
    watched.pending = sighting.pending
    watched.seenAt = sighting.at
    watched.skewMillis = sighting.skew ?? undefined
    watched.toCommit.look(sighting.at, sighting.written, sighting.through)
  }

  /** What was seen here since the last call. */
  untold(): ReadonlyArray<Sighting> {
    const untold = this.#untold
    this.#untold = []
    this.#lastTries.clear()
    return untold
  }

  #see(sighting: Sighting): void {
    this.take(sighting)
    if (sighting.kind === "report") this.#untold.push(sighting)
    else {
      const place = this.#lastTries.get(sighting.peer) ?? -1
      const last = this.#untold[place]
      if (last?.kind === "try" && last.outcome === sighting.outcome && last.about === sighting.about) this.#untold[place] = { ...last, at: sighting.at, times: last.times + sighting.times }
      else this.#lastTries.set(sighting.peer, this.#untold.push(sighting) - 1)
    }
    if (this.#untold.length > untoldMax) {
      this.#untold.shift()
      this.#lastTries.clear()
    }
  }

  /** Peers that are no peers any more are forgotten. */
  keepOnly(peers: ReadonlySet<string>): void {
    for (const peer of this.#peers.keys()) {
      if (peers.has(peer)) continue
      this.#peers.delete(peer)
      this.#reports.delete(peer)
    }
  }
}

const isSame = (told: Report, now: Report): boolean =>
  now.at - told.at < tellAgainAfter && now.pending === told.pending && now.through === told.through && Math.abs((now.skew ?? 0) - (told.skew ?? 0)) < skewSameMillis

/** How each peer's syncing goes, whichever hosted process it passes through, and word whenever that may be another than before. */
export const watchPeers = Effect.map(PubSub.sliding<void>(1), (peersMoved) => ({
  watch: new PeerWatch(() => void PubSub.publishUnsafe(peersMoved, undefined)),
  // one is as good as many: whoever hears it reads everything anew
  peersMoved
}))
