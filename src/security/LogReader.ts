import { Result } from "effect"
import type { CommitRecord } from "../../streams/CommitRecord.ts"
import { genesis } from "../../streams/CommitRecord.ts"
import { isEventType } from "../../streams/catalog.ts"
import { decode, type Envelope, type Opened } from "../../streams/Envelope.ts"
import { logSubjectOf, parseLog } from "../../streams/subjects.ts"
import { parseCommit, verifyCommit } from "./commit.ts"
import { digestOf } from "./digest.ts"
import { Absences } from "./Absences.ts"
import { AuthorKeys } from "./AuthorKeys.ts"
import { RecordsRead } from "./RecordsRead.ts"

/** A message of a log, as `src/nats` hands it over. */
export interface LogMessage {
  readonly seq: number
  readonly subject: string
  readonly data: Uint8Array
}

/** An event whose record has not come yet. */
interface Pending extends Pick<LogMessage, "seq" | "subject"> {
  readonly hash: string
  readonly envelope: ReturnType<typeof decode>
}

/** An event that a valid commit record covers. Still sealed. */
export interface CoveredEvent {
  readonly seq: number
  readonly envelope: Envelope
}

/**
 * What is wrong at `seq`, for people and for the list of problems. Reading goes on behind it. `forked` is the word of that
 * commit's author, whom nobody can ask for a proof: it is shown, and moves nothing else.
 */
export interface Problem {
  readonly kind: "problem"
  readonly seq: number
  readonly tenant: string
  readonly what: "quarantined" | "uncovered" | "malformed" | "gap" | "forked"
  readonly detail: string
}

export interface Committed {
  readonly kind: "commit"
  readonly seq: number
  readonly tenant: string
  readonly record: CommitRecord
  /** SHA-256 of the record as stored: what the author's next record names as `prev`. */
  readonly digest: string
  readonly events: ReadonlyArray<CoveredEvent>
}

export type Read = Committed | Problem

/** The last valid record of one author, as a reader remembers it. */
export interface ChainHead {
  readonly digest: string
  readonly journal: string
  readonly to: number
  readonly seq: number
  readonly time: string
}

/**
 * Reads a LOG or a MIRROR, in order, and says what counts.
 *
 * ```
 * e e e C(a) · e C(b) · x · e e C(a)       messages as stored: events, then the record that covers them
 * └──────┘     └───┘    │   └─────┘
 *  commit of a  of b    uncovered: skipped and named
 * ```
 *
 * An event counts when a record contains its hash, and that record holds: signed by a pinned key of its
 * author, following the author's last one. A record that holds although one before it is missing or
 * spoiled still counts (nobody else could sign it), and the gap is named. Intact events of a record
 * that covers damaged ones count too: each is proved by its own hash.
 *
 * What its author had read when it signed must lie there too; where it does not, that is named: this log and the one its
 * author read are not the same.
 *
 * Never throws, never waits, keeps one head per author, the digests of the newest records, and the messages since the last.
 */
export class LogReader {
  readonly keys: AuthorKeys
  /** Events that records name and that are not there. Whoever reads asks for them once the log's end was read. */
  readonly absences = new Absences()
  readonly #heads = new Map<string, ChainHead>()
  readonly #records = new RecordsRead()
  /** Authors nobody had registered when a record of theirs came. */
  readonly #unknown = new Set<string>()
  #isLate = false
  #pending: Array<Pending> = []

  constructor(keys: AuthorKeys, heads: Iterable<readonly [tenant: string, author: string, head: ChainHead]> = []) {
    this.keys = keys
    for (const [tenant, author, head] of heads) this.#remember(tenant, author, head)
  }

  head(tenant: string, author: string): ChainHead | undefined {
    return this.#heads.get(`${tenant}.${author}`)
  }

  /**
   * A registration lies behind records of its author, because the log lost it and it was written again. They were passed
   * over; read once more from the beginning, with the keys that are known now, they count.
   */
  get isLate(): boolean {
    return this.#isLate
  }

  /** Messages waiting for their record: at the end of a log, an unfinished commit or foreign bytes. */
  get waiting(): ReadonlyArray<Pick<LogMessage, "seq" | "subject">> {
    return this.#pending
  }

  accept(message: LogMessage): ReadonlyArray<Read> {
    const at = parseLog(message.subject)
    if (Result.isFailure(at)) return [problem(message.seq, "", "uncovered", at.failure)]
    if (at.success.kind !== "commit") {
      this.#records.note(message.seq)
      // hashed and read as it comes: a record that arrives then has little left to do
      this.#pending.push({ seq: message.seq, subject: message.subject, hash: digestOf(message.data), envelope: decode(message.data) })
      return nothing
    }
    const pending = this.#pending
    this.#pending = []
    return this.#acceptRecord(message, at.success.tenant, at.success.id, pending)
  }

  /** What nobody announced to be purged, by record. Only to be believed once the log was read to its end. */
  missing(): ReadonlyArray<Problem> {
    return this.absences.list().map(({ author, count, of, recordSeq, tenant }) =>
      problem(recordSeq, tenant, "quarantined", `${count} of ${of} events of the commit of ${author} at ${recordSeq} are missing or altered, and no purge was announced`))
  }

  /** Keys, and what was purged, travel in the log too: call with each opened event before the next `accept`. */
  learn(tenant: string, author: string, opened: Opened): Problem | undefined {
    if (author === "hosted" && opened.fact.type === "conversation.expired") this.absences.explain(tenant, opened.fact.data)
    const why = this.keys.learn(tenant, author, opened)
    const { fact } = opened
    if (fact.type === "peer.registered" || fact.type === "peer.renewed") {
      const peer = fact.data.peer_id
      this.#isLate ||= this.#unknown.has(`${tenant}.${peer}`) && this.keys.entry(tenant, peer) !== undefined
    }
    return why === undefined ? undefined : problem(0, tenant, "malformed", why)
  }

  #acceptRecord(message: LogMessage, tenant: string, author: string, pending: ReadonlyArray<Pending>): ReadonlyArray<Read> {
    const out: Array<Read> = []
    const spoil = (why: string): ReadonlyArray<Read> => {
      const held = pending.length === 0 ? "" : `; its ${pending.length} events do not count`
      return [...out, problem(message.seq, tenant, "quarantined", `commit record of ${author} at ${message.seq}: ${why}${held}`)]
    }
    const parsed = parseCommit(message.data)
    if (Result.isFailure(parsed)) return spoil("cannot be read")
    const { digest, record } = parsed.success
    this.#records.note(message.seq, digest)
    if (record.author !== author) return spoil(`signed for ${record.author}`)
    const key = this.keys.find(tenant, author, record.key_id, record.time)
    if (this.keys.entry(tenant, author) === undefined) this.#unknown.add(`${tenant}.${author}`)
    if (key === undefined) return spoil(`key ${record.key_id} is not pinned for this author`)
    if (!verifyCommit(parsed.success, key)) return spoil("the signature does not hold")

    const head = this.head(tenant, author)
    const replay = this.#isReplay(record, head)
    if (replay !== undefined) return spoil(replay)
    const isErasure = author === "hosted" && pending.some(({ envelope }) => Result.isSuccess(envelope) && envelope.success.type === "tenant.erased")
    if (isErasure) this.#forget(tenant, message.seq)
    // an erasure takes all records before it out of the log
    else if (record.prev !== (head?.digest ?? genesis)) {
      out.push(problem(message.seq, tenant, "gap", `commit of ${author} at ${message.seq} does not follow ${
        head === undefined ? "from the beginning" : `the one at ${head.seq}`
      }: a record between them is missing or spoiled`))
    }
    if (!isErasure && this.#records.lacks(tenant, message.seq, record.seen)) {
      out.push(problem(message.seq, tenant, "forked", `the author of the commit of ${author} at ${message.seq} had read a record at ${record.seen.log_seq} that is not there: it was taken away, or the log was put back to before it`))
    }
    const events = this.#cover(message.seq, tenant, record, pending, out)
    this.#remember(tenant, author, { digest, journal: record.journal, to: record.to, seq: message.seq, time: record.time })
    out.push({ kind: "commit", seq: message.seq, tenant, record, digest, events })
    return out
  }

  /**
   * An old record put in again by somebody with access to the store: valid once, never twice. One that overlaps the last and
   * goes beyond it is new: its author's last record was lost over there, and it went on from the one before.
   */
  #isReplay(record: CommitRecord, head: ChainHead | undefined): string | undefined {
    if (head === undefined || record.prev === head.digest) return undefined
    if (record.journal === head.journal) return record.to <= head.to ? "an earlier commit, repeated" : undefined
    return record.time <= head.time ? "a commit of an earlier journal, repeated" : undefined
  }

  /** Which of the waiting messages this record covers, in its order; the rest is named. */
  #cover(recordSeq: number, tenant: string, record: CommitRecord, pending: ReadonlyArray<Pending>, out: Array<Read>): ReadonlyArray<CoveredEvent> {
    const placeOf = placesOf(record.hashes)
    const found = new Set<number>()
    const counted = new Set<number>()
    const events: Array<CoveredEvent> = []
    let last = -1
    for (const message of pending) {
      const index = placeOf(message.hash)
      if (index === undefined || counted.has(index)) {
        // what lies in another tenant's part of a log of many is that tenant's to hear of
        const at = parseLog(message.subject)
        out.push(problem(message.seq, Result.isSuccess(at) ? at.success.tenant : tenant, "uncovered", `message at ${message.seq} on ${message.subject} is covered by no commit: ${
          index === undefined ? "altered, or not put there by us" : "a second copy"
        }`))
        continue
      }
      found.add(index)
      if (index < last) out.push(problem(message.seq, tenant, "uncovered", `message at ${message.seq} is out of its author's order`))
      last = Math.max(last, index)
      const event = this.#readEvent(tenant, record.author, message)
      if (typeof event === "string") out.push(problem(message.seq, tenant, "malformed", event))
      else {
        counted.add(index)
        events.push(event)
      }
    }
    if (found.size < record.hashes.length) {
      // a commit lies in one piece: each of its events has one place
      const taken = new Set(pending.map(({ seq }) => seq))
      const lacking = record.hashes.flatMap((_, index) => found.has(index) ? [] : [recordSeq - record.hashes.length + index])
      const absent = lacking.filter((place) => place > 0 && !taken.has(place))
      this.absences.note(tenant, { recordSeq, author: record.author, of: record.hashes.length }, absent)
      const spoiled = lacking.length - absent.length
      if (spoiled > 0) out.push(problem(recordSeq, tenant, "quarantined", `${spoiled} of ${record.hashes.length} events of the commit of ${record.author} at ${recordSeq} are missing or altered`))
    }
    return events
  }

  #readEvent(tenant: string, author: string, message: Pending): CoveredEvent | string {
    const { envelope } = message
    if (Result.isFailure(envelope)) return `event at ${message.seq}: ${envelope.failure.why}`
    const { source, subject, type } = envelope.success
    if (!this.keys.speaksFor(tenant, author, source)) return `event at ${message.seq}: ${author} wrote in the name of ${source}`
    if (isEventType(type) && logSubjectOf(tenant, type, subject) !== message.subject) return `event at ${message.seq} lies on ${message.subject}, where it does not belong`
    return { seq: message.seq, envelope: envelope.success }
  }

  #forget(tenant: string, erasedAt: number): void {
    this.absences.forget(tenant)
    this.#records.erased(tenant, erasedAt)
    for (const chain of this.#heads.keys()) if (chain.startsWith(`${tenant}.`)) this.#heads.delete(chain)
  }

  #remember(tenant: string, author: string, head: ChainHead): void {
    this.#heads.set(`${tenant}.${author}`, head)
  }
}

const nothing: ReadonlyArray<Read> = []

const problem = (seq: number, tenant: string, what: Problem["what"], detail: string): Problem => ({ kind: "problem", seq, tenant, what, detail })

/** Where each hash stands, for hashes that nearly always come in order: then none has to be looked up. */
const placesOf = (hashes: ReadonlyArray<string>) => {
  let next = 0
  let places: ReadonlyMap<string, number> | undefined
  return (hash: string): number | undefined => {
    const index = hash === hashes[next] ? next : (places ??= new Map(hashes.map((one, i) => [one, i] as const))).get(hash)
    if (index !== undefined) next = index + 1
    return index
  }
}
