import type { Envelope, Opened } from "../streams/Envelope.ts"
import type { CommitRecord } from "../streams/CommitRecord.ts"
import type { Entry, ProblemKind, Shared } from "./Entry.ts"

/** What a verified reader of a log hands over (`src/security/openLog.ts` produces it). */
export type LogItem =
  | { readonly kind: "problem"; readonly seq: number; readonly tenant: string; readonly what: ProblemKind; readonly detail: string }
  | {
    readonly kind: "commit"
    readonly seq: number
    readonly tenant: string
    readonly record: CommitRecord
    readonly digest: string
    readonly events: ReadonlyArray<
      | { readonly _tag: "opened"; readonly seq: number; readonly opened: Opened }
      | { readonly _tag: "own"; readonly seq: number; readonly envelope: Envelope }
      | { readonly _tag: "unreadable"; readonly seq: number; readonly envelope: Envelope; readonly what: "parked" | "malformed"; readonly detail: string }
    >
  }

/**
 * A verified batch of the log as entries for the projections, in log order.
 *
 * `tenant` renames the log's tenant to the tables' (a local backend has only itself). `isOwn` marks what this
 * backend wrote; `shared` says how an echo left it, where that differs from what is held here.
 */
export const fromLog = (items: ReadonlyArray<LogItem>, options: {
  readonly tenant: (tenant: string) => string
  readonly isOwn: (envelope: Envelope) => boolean
  readonly shared: (eventId: string) => Shared | undefined
}): Array<Entry> => {
  const out: Array<Entry> = []
  for (const item of items) {
    const tenant = options.tenant(item.tenant)
    if (item.kind === "problem") {
      out.push({ ...item, tenant })
      continue
    }
    for (const event of item.events) {
      const { seq } = event
      if (event._tag === "own") {
        const shared = options.shared(event.envelope.id)
        out.push({ kind: "echo", seq, tenant, eventId: event.envelope.id, ...(shared === undefined ? {} : { shared }) })
      } else if (event._tag === "unreadable") {
        out.push({ kind: "problem", seq, tenant, what: event.what, detail: `event ${event.envelope.id} in ${event.envelope.subject}: ${event.detail}` })
      } else {
        out.push({ kind: "event", log: "log", seq, tenant, opened: event.opened, own: options.isOwn(event.opened.envelope) })
      }
    }
    const { author, from, hashes, journal, time, to } = item.record
    out.push({ kind: "commit", seq: item.seq, tenant, author, digest: item.digest, journal, from, to, time, events: hashes.length })
  }
  return out
}

/** Which traces these entries belong to. */
export const tracesOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<Envelope> =>
  entries.flatMap((entry) => entry.kind === "event" && entry.opened.envelope.traceparent !== undefined ? [entry.opened.envelope] : [])
