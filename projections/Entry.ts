import type { Opened } from "../streams/Envelope.ts"
import type { TelemetryEvent } from "../streams/telemetry.ts"

/** Which input an entry comes from: the private journal of this machine, or the log (LOG, or its MIRROR). */
export type Input = "journal" | "log"

/** What others see of an event, where it differs from what was written here: redaction, and ids that were mapped. */
export interface Shared {
  readonly content?: string
  readonly title?: string
  readonly role?: string
  readonly message_id?: string
  readonly conversation?: string
}

/**
 * An event and where it was read. From the journal it has no place in the log yet; from the log it is there at `seq`.
 * `own`: written by this backend, whichever way it came (a restored journal reads its own events from the log).
 */
export interface EventEntry {
  readonly kind: "event"
  readonly log: Input
  readonly seq: number
  readonly tenant: string
  readonly opened: Opened
  readonly own: boolean
  readonly shared?: Shared
}

/** Our own event came back in the log at `seq`: it needs no opening, only its place and its shared form. */
export interface EchoEntry {
  readonly kind: "echo"
  readonly seq: number
  readonly tenant: string
  readonly eventId: string
  readonly shared?: Shared
}

/** Own events that stay on this machine for good, and why. */
export interface WithheldEntry {
  readonly kind: "withheld"
  readonly seq: number
  readonly tenant: string
  readonly eventIds: ReadonlyArray<string>
  readonly why: string
}

/** A commit record whose chain, hashes and signature hold. `digest`: SHA-256 of the record as stored. */
export interface CommitEntry {
  readonly kind: "commit"
  readonly seq: number
  readonly tenant: string
  readonly author: string
  readonly digest: string
  readonly journal: string
  readonly from: number
  readonly to: number
  readonly time: string
  /** Events it covers. */
  readonly events: number
}

/** Something in the log, or where it says so in the journal, that could not be taken. Kept and listed, never dropped in silence. */
export interface ProblemEntry {
  readonly kind: "problem"
  readonly log?: Input
  readonly seq: number
  readonly tenant: string
  readonly what: ProblemKind
  readonly detail: string
}
export type ProblemKind = "quarantined" | "uncovered" | "parked" | "malformed" | "gap" | "forked"

/** A telemetry event as its stream holds it. `stored`: when, in milliseconds since 1970. */
export interface TelemetryEntry {
  readonly kind: "telemetry"
  readonly seq: number
  readonly tenant: string
  readonly peer: string
  readonly stored: number
  readonly event: TelemetryEvent
  /** The trace of its batch. */
  readonly traceparent?: string
}

/** One thing a reader of a log tells the projections. `seq` is its place in the input it was read from. */
export type Entry = EventEntry | EchoEntry | WithheldEntry | CommitEntry | ProblemEntry | TelemetryEntry
