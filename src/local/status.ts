import type { LocalStatus } from "../../streams/Backend.ts"

/** The figures behind the one sentence. */
export interface Facts {
  readonly paired: boolean
  readonly paused: boolean
  readonly needs: string | undefined
  /** Since when the link has been down, if it is. */
  readonly offlineSince: string | undefined
  readonly pending: number
  /** The setting that keeps it here. */
  readonly held: string | undefined
  /** Messages of the tenant's log that the mirror lacks; `undefined`: not heard yet. */
  readonly behind: number | undefined
  /** How old that is, seconds, where the hosted side did not answer just now; 0 where it did. */
  readonly heardSecondsAgo: number
}

/** *in step · sending N · receiving N · offline since · paused · needs you: why*. What a person can act on comes first. */
export const sentenceOf = (facts: Facts): Pick<LocalStatus, "state" | "sentence"> => {
  if (facts.needs !== undefined) return { state: "needs_you", sentence: `needs you: ${facts.needs}` }
  if (!facts.paired) return { state: "not_paired", sentence: "not paired: everything stays on this machine. `maestra local pair CODE` joins a hosted backend" }
  if (facts.paused) return { state: "paused", sentence: `paused${waiting(facts.pending)}` }
  if (facts.offlineSince !== undefined) return { state: "offline", sentence: `offline since ${facts.offlineSince}${waiting(facts.pending)}` }
  if (facts.pending > 0 && facts.held !== undefined) return { state: "sending", sentence: `sending ${facts.pending}: kept here, because the privacy setting ${facts.held} is off` }
  if (facts.pending > 0) return { state: "sending", sentence: `sending ${facts.pending}` }
  if (facts.behind === undefined) return { state: "receiving", sentence: "asking the hosted backend how far it is" }
  if (facts.behind > 0) return { state: "receiving", sentence: `receiving ${facts.behind}` }
  if (facts.heardSecondsAgo > 0) return { state: "in_step", sentence: `in step as of ${facts.heardSecondsAgo} s ago; the hosted backend has not answered since` }
  return { state: "in_step", sentence: "in step" }
}

const waiting = (pending: number) => pending === 0 ? "" : `, ${pending} to send`
