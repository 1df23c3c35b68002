import { Duration } from "effect"
import type { VerdictName } from "./Verdict.ts"

/** How one try to bring a commit over ended: the hosted side's verdict, or none. */
export type SyncOutcome = VerdictName | "no_responders" | "timed_out"

/**
 * What each counts as in the success rate. `neither`: told to wait, to renew or to gate again, which is how things are
 * meant to go.
 */
export const weighs: Readonly<Record<SyncOutcome, "success" | "failure" | "neither">> = {
  committed: "success",
  rate_limited: "neither",
  withheld: "neither",
  expired: "neither",
  busy: "failure",
  chain_mismatch: "failure",
  revoked: "failure",
  unknown_peer: "failure",
  bad_signature: "failure",
  invalid: "failure",
  no_responders: "failure",
  timed_out: "failure"
}

export const syncOutcomes = Object.keys(weighs) as ReadonlyArray<SyncOutcome>

/** No answer came. How often that is asked again is this machine's own choice. */
const silent: ReadonlySet<SyncOutcome> = new Set(["no_responders", "timed_out"])

/**
 * Silence is one failure for so long, however many tries fall into it: an outage of seconds fails the sync that was on its
 * way once, and one that lasts fails again and again, which the alert needs. Any answer ends it.
 */
const silenceCountsFor = Duration.seconds(30)

/** The rate is that of the last quarter of an hour, and of so many syncs at most. */
const rateWindow = Duration.minutes(15)
const triesMax = 500
const errorsMax = 10

/** Something that went wrong, and when, in milliseconds since 1970. */
export interface Noted {
  readonly at: number
  readonly what: string
}

/** How syncing with one peer has gone lately. Bounded, in memory, one for each peer. */
export class SyncTally {
  #tries: Array<{ readonly at: number; readonly good: boolean }> = []
  #errors: Array<Noted> = []
  #last: { readonly at: number; readonly outcome: SyncOutcome } | undefined
  /** When the silence that lasts was last counted. */
  #silentSince: number | undefined

  /** How the newest try ended. */
  get last(): SyncOutcome | undefined {
    return this.#last?.outcome
  }

  /**
   * `about`: what else is known of a failure, free of content. In any order: what others saw is heard of later. Returns
   * what it counts as.
   */
  record(at: number, outcome: SyncOutcome, about = "", times = 1): "success" | "failure" | "neither" {
    if (this.#last === undefined || at >= this.#last.at) this.#last = { at, outcome }
    const weight = this.#weight(at, outcome)
    if (weight === "neither") return weight
    for (let i = 0; i < Math.min(times, triesMax / 2); i++) this.#tries.push({ at, good: weight === "success" })
    if (this.#tries.length > triesMax) this.#tries = this.#tries.slice(-triesMax / 2)
    if (weight === "failure") this.#errors = [{ at, what: about === "" ? outcome : `${outcome}: ${about}` }, ...this.#errors].sort((a, b) => b.at - a.at).slice(0, errorsMax)
    return weight
  }

  #weight(at: number, outcome: SyncOutcome) {
    if (!silent.has(outcome)) this.#silentSince = undefined
    else if (this.#silentSince !== undefined && at - this.#silentSince < Duration.toMillis(silenceCountsFor)) return "neither"
    else this.#silentSince = at
    return weighs[outcome]
  }

  #lately(now: number) {
    const since = now - Duration.toMillis(rateWindow)
    return this.#tries.filter(({ at }) => at > since)
  }

  /** Syncs in the window. */
  tries(now: number): number {
    return this.#lately(now).length
  }

  /** Between 0 and 1; 1 where nothing was tried: nothing failed. */
  rate(now: number): number {
    const tries = this.#lately(now)
    return tries.length === 0 ? 1 : tries.filter(({ good }) => good).length / tries.length
  }

  /** The newest ten, newest first. */
  get errors(): ReadonlyArray<Noted> {
    return this.#errors
  }
}
