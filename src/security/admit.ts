import { Result } from "effect"
import type { LimitKind } from "../../streams/RateLimits.ts"
import type { EventType } from "../../streams/catalog.ts"
import { decode, idIn, interpret, type Opened } from "../../streams/Envelope.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { isToken } from "../../streams/ids.ts"
import { lamportJumpMax } from "../../streams/limits.ts"
import { logSubjectOf } from "../../streams/subjects.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import type { AuthorKey } from "./AuthorKeys.ts"
import { type ParsedCommit, verifyCommit } from "./commit.ts"
import { digestOf } from "./digest.ts"
import type { Sealed } from "./envelopes.ts"

/** A refusal without what every answer carries. */
export type Refusal = DistributiveOmit<Exclude<Verdict, { verdict: "committed" }>, "log_id" | "log_epoch">
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never

/** Who may write: known, not shut out, its registration not ended. */
export interface Standing {
  readonly device: {
    readonly backendId: string
    readonly keys: ReadonlyArray<AuthorKey>
    readonly expiresAt: string
  } | undefined
  readonly revoked: boolean
}

/** What a backend knows about a sender and its tenant when a commit arrives. `admit` looks at nothing else. */
export interface Facts extends Standing {
  readonly tenant: string
  /** From the NATS subject, which permissions hold to the truth; never from the message. */
  readonly sender: string
  readonly now: string
  /** How another author stands whose commits this sender may bring: a companion of that local backend. Nobody else. */
  readonly companion: (author: string) => Standing | undefined
  readonly settings: Settings
  /** LOG sequence of the newest settings event; what `withheld` tells the relay to read up to. */
  readonly settingsSeq: number
  readonly greatestLamport: number
  /** The data of a sealed envelope as JSON, or why it cannot be opened. */
  readonly unseal: (envelope: Sealed) => Result.Result<unknown, string>
}

/** `expectedLast`: a fence of the event's own, for what is only true as long as nobody else wrote there. */
export interface Admitted {
  readonly events: ReadonlyArray<{ readonly subject: string; readonly bytes: Uint8Array; readonly hash: string; readonly opened: Opened | undefined; readonly expectedLast?: number }>
  readonly greatestLamport: number
}

/** What a peer may write itself; the rest is the hosted backend's to say. */
const writable: ReadonlySet<EventType> = new Set<EventType>([
  "conversation.created", "conversation.renamed", "conversation.deleted",
  "message.appended", "message.edited", "message.deleted",
  "settings.changed", "peer.confirmed"
])

/** Whether the sender may be heard at all: known, not revoked, its registration not ended. */
export const admitSender = (facts: (Standing & Pick<Facts, "now">) | undefined): Result.Result<NonNullable<Facts["device"]>, Refusal> => {
  if (facts?.revoked === true) return Result.fail({ verdict: "revoked" })
  if (facts?.device === undefined) return Result.fail({ verdict: "unknown_peer" })
  return facts.now < facts.device.expiresAt ? Result.succeed(facts.device) : Result.fail({ verdict: "expired" })
}

/**
 * The author of a commit that may be heard. A sender speaks for itself; a local backend also brings what its
 * companions signed, and is told whose registration is at fault where it is not its own.
 */
export const admitAuthor = (author: string, facts: Facts): Result.Result<NonNullable<Facts["device"]>, Refusal> => {
  if (author === facts.sender) return admitSender(facts)
  const companion = facts.companion(author)
  if (companion === undefined) return Result.fail({ verdict: "bad_signature" })
  return Result.mapError(admitSender({ ...companion, now: facts.now }), (refusal) => ({ ...refusal, author }) as Refusal)
}

/**
 * Judge one commit as far as it can be judged without its author's chain, in this order:
 * known → not revoked → not expired → signature → hashes → schema, limits, lamports → consent. The rate comes next.
 *
 * Pure. The same commit and facts always get the same verdict.
 */
export const admit = (commit: ParsedCommit, events: ReadonlyArray<Uint8Array>, facts: Facts): Result.Result<Admitted, Refusal> => {
  const sender = admitSender(facts)
  if (Result.isFailure(sender)) return Result.fail(sender.failure)
  const { record } = commit
  const author = admitAuthor(record.author, facts)
  if (Result.isFailure(author)) return Result.fail(author.failure)
  const device = author.success
  const key = device.keys.find((candidate) => candidate.keyId === record.key_id && (candidate.until === undefined || facts.now < candidate.until))
  if (key === undefined || !verifyCommit(commit, key.publicKey)) return Result.fail({ verdict: "bad_signature" })

  const hashes = events.map((event) => digestOf(event))
  if (hashes.length !== record.hashes.length || hashes.some((hash, index) => hash !== record.hashes[index])) {
    return Result.fail(invalid("", "the events are not the ones the record was signed for"))
  }
  if (record.from > record.to || events.length > record.to - record.from + 1) return Result.fail(invalid("", "the range from..to cannot hold these events"))

  const read = readEvents(events, hashes, facts, device.backendId)
  if (Result.isFailure(read)) return read
  const consent = checkConsent(read.success.events, record.seen.log_seq, facts)
  return consent === undefined ? read : Result.fail(consent)
}

/** What a commit draws on its sender's limits: one with more behind it is a backlog, not chatter, and counted in bytes. */
export const costOf = (events: ReadonlyArray<Uint8Array>): { readonly kind: LimitKind; readonly amount: number } =>
  events.length > 1 ? { kind: "bytes", amount: events.reduce((sum, event) => sum + event.length, 0) } : { kind: "syncs", amount: 1 }

const readEvents = (
  events: ReadonlyArray<Uint8Array>,
  hashes: ReadonlyArray<string>,
  facts: Facts,
  backendId: string
): Result.Result<Admitted, Refusal> => {
  const out: Array<Admitted["events"][number]> = []
  let lamport = 0
  for (const [index, bytes] of events.entries()) {
    const decoded = decode(bytes)
    if (Result.isFailure(decoded)) return Result.fail(invalid(idIn(bytes), `event ${index + 1} of the commit: ${decoded.failure.why}`))
    const envelope = decoded.success
    const refuse = (why: string) => Result.fail(invalid(envelope.id, why))
    if (envelope.source !== backendId) return refuse("source is not the author")
    if (!writable.has(envelope.type as EventType)) return refuse(`a peer may not write ${envelope.type}`)
    if (!isToken(envelope.subject)) return refuse("the subject is not a token")
    if (envelope.datacontenttype !== "application/jose") return refuse("the data is not sealed")
    if (envelope.lamport <= lamport) return refuse("lamports do not rise")
    if (envelope.lamport > facts.greatestLamport + lamportJumpMax) return refuse("the lamport jumps ahead of everything seen")
    lamport = envelope.lamport
    const data = facts.unseal(envelope)
    if (Result.isFailure(data)) return refuse(data.failure)
    const opened = interpret(envelope, data.success)
    // A version from the future is kept for those who can read it; anything else that cannot be read is refused.
    if (Result.isFailure(opened) && opened.failure._tag === "EventMalformed") return refuse(opened.failure.why)
    const subject = logSubjectOf(facts.tenant, envelope.type as EventType, envelope.subject)
    out.push({ subject, bytes, hash: hashes[index]!, opened: Result.isSuccess(opened) ? opened.success : undefined })
  }
  return Result.succeed({ events: out, greatestLamport: Math.max(lamport, facts.greatestLamport) })
}

/**
 * What settings forbid that the author had not read. The relay reads them and gates again.
 *
 * An author that had read them and sends all the same has newer ones of its own, which wait in its journal behind these
 * very events: refused, neither would ever come.
 */
const checkConsent = (events: Admitted["events"], seenSeq: number, facts: Facts): Refusal | undefined => {
  if (facts.settingsSeq > 0 && seenSeq >= facts.settingsSeq) return undefined
  const { allowed_surfaces, sync_conversations, sync_enabled } = facts.settings
  const forbidden = events.some(({ opened, subject }) =>
    subject.includes(".conv.") &&
    (!sync_enabled || !sync_conversations ||
      (opened !== undefined && allowed_surfaces !== null && !allowed_surfaces.includes(opened.envelope.surface))))
  return forbidden ? { verdict: "withheld", settings_seq: facts.settingsSeq } : undefined
}

const invalid = (event_id: string, why: string) => ({ verdict: "invalid" as const, event_id, why })

/** An author's last valid record, as ingest remembers it, and the subject's last sequence, whatever lies there. */
export interface Head {
  readonly digest: string
  readonly journal: string
  readonly from: number
  readonly to: number
  readonly ids: string
  readonly seq: number
  readonly bytes: Uint8Array
}

export type ChainDecision =
  | { readonly _tag: "append" }
  | { readonly _tag: "repeated"; readonly log_seq: number }
  | { readonly _tag: "mismatch" }

/**
 * Does this record continue its author's chain?
 *
 * A repeated request names the same journal, range and ids as the head; its bytes may differ, because
 * sealing is randomised and the relay signs again.
 */
export const follow = (record: ParsedCommit["record"], head: Head | undefined): ChainDecision => {
  if (head === undefined) return record.prev === "" && record.from === 1 ? { _tag: "append" } : { _tag: "mismatch" }
  if (record.journal === head.journal && record.from === head.from && record.to === head.to && record.ids === head.ids) {
    return { _tag: "repeated", log_seq: head.seq }
  }
  const start = record.journal === head.journal ? head.to + 1 : 1
  return record.prev === head.digest && record.from === start ? { _tag: "append" } : { _tag: "mismatch" }
}
