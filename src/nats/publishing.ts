import { type Msg, MsgHdrsImpl, nuid } from "@nats-io/transport-node"
import { Duration, Effect, Schedule } from "effect"
import { batchMessagesMax } from "../../streams/limits.ts"
import type { NoResponders, RequestTimedOut } from "./Connection.ts"
import type { Wire } from "./connect.ts"
import { type Append, type AppendError, LogFenced, LogFull, LogRefused, LogUnavailable } from "./EventLog.ts"

export interface Appended {
  readonly first: number
  readonly last: number
}

/**
 * Long enough for a commit of 4 MiB on a slow disk. A stream's leader that died says nothing, and nothing else goes into
 * the stream while one waits for it: a new leader is there after four seconds at the earliest.
 */
const appendTimeout = Duration.seconds(4)
/** Room for subject, headers and protocol beside the data in one message. */
const overheadMaxBytes = 1024
/** A batch the server gave up (too many at once, a message lost) left nothing behind: safe to send again. */
const abandonedRetries = { times: 4, schedule: Schedule.exponential("20 millis") } as const

/** One message, as a plain publish that waits for its acknowledgement. `extra` headers end with a line break each. */
export const appendOne = (wire: Wire, stream: string, message: Append, extra = ""): Effect.Effect<Appended, AppendError> =>
  tooLarge(wire, stream, message) ?? ask(wire, stream, message, extra + fenceOf(message) + idOf(message)).pipe(
    Effect.flatMap((answer) => outcome(stream, answer, 1))
  )

/**
 * Several messages as one atomic batch: all but the last without waiting, the last as the request that commits.
 * Not the client library's batch: that one waits for an extra acknowledgement and hides the server's reason.
 */
export const appendBatch = (wire: Wire, stream: string, batch: ReadonlyArray<Append>): Effect.Effect<Appended, AppendError> => {
  if (batch.length > batchMessagesMax) {
    return Effect.fail(new LogRefused({ stream, code: batchTooLarge, why: `${batch.length} messages; one batch holds ${batchMessagesMax}` }))
  }
  for (const message of batch) {
    const refused = tooLarge(wire, stream, message)
    if (refused !== undefined) return refused
  }
  let attempt = 0
  return Effect.suspend(() => attempt++ === 0 ? commit(wire, stream, batch) : explain(wire, stream, batch)).pipe(
    Effect.retry({ ...abandonedRetries, while: (error) => error._tag === "LogUnavailable" && error.cause instanceof Abandoned })
  )
}

/** The server dropped an uncommitted batch. Nothing of it was written. */
class Abandoned extends Error {}

const commit = (wire: Wire, stream: string, batch: ReadonlyArray<Append>) => {
  const id = nuid.next()
  const last = batch.length - 1
  return ask(wire, stream, batch[last]!, batchHeaders(id, batch.length) + fenceOf(batch[last]!) + commitHeader, () => {
    for (let i = 0; i < last; i++) {
      const { data, subject } = batch[i]!
      wire.nats.publish(subject, data, { headers: framed(batchHeaders(id, i + 1) + fenceOf(batch[i]!)) })
    }
  }).pipe(Effect.flatMap((answer) => outcome(stream, answer, batch.length)))
}

/**
 * The same batch again with every message a request of its own. Without a reply subject the server says why it
 * refuses a message to nobody, and only "incomplete" at the commit: this is how we learn the reason.
 */
const explain = (wire: Wire, stream: string, batch: ReadonlyArray<Append>) => {
  const id = nuid.next()
  return Effect.forEach(batch, (message, i) =>
    ask(wire, stream, message, batchHeaders(id, i + 1) + fenceOf(message) + (i === batch.length - 1 ? commitHeader : "")).pipe(
      Effect.flatMap((answer) => answer.data.length === 0 ? Effect.succeed(staged) : outcome(stream, answer, batch.length))
    ), { concurrency: "unbounded" }).pipe(Effect.map((answers) => answers.at(-1) ?? staged))
}

/** The answer to a message that is not the last. */
const staged: Appended = { first: 0, last: 0 }

const ask = (wire: Wire, stream: string, { data, subject }: Append, headers: string, before?: () => void) =>
  Effect.suspend(() =>
    wire.ask({ subject, data, timeout: appendTimeout, ...(headers !== "" && { headers: framed(headers) }), ...(before && { before }) })
  ).pipe(Effect.mapError((cause: NoResponders | RequestTimedOut) => new LogUnavailable({ stream, cause })))

const batchHeaders = (id: string, sequence: number) => `Nats-Batch-Id: ${id}\r\nNats-Batch-Sequence: ${sequence}\r\n`
const commitHeader = "Nats-Batch-Commit: 1\r\n"
const fenceOf = ({ expectedLast, expectedOn }: Append) =>
  expectedLast === undefined ? "" : `Nats-Expected-Last-Subject-Sequence: ${expectedLast}\r\n${expectedOn === undefined ? "" : `Nats-Expected-Last-Subject-Sequence-Subject: ${expectedOn}\r\n`}`
const idOf = ({ messageId }: Append) => messageId === undefined ? "" : `Nats-Msg-Id: ${messageId}\r\n`

/** Headers whose text is known: ten times cheaper than building them key by key. */
class Framed extends MsgHdrsImpl {
  text = ""
  override encode(): Uint8Array {
    return Buffer.from(`NATS/1.0\r\n${this.text}\r\n`, "latin1")
  }
}

const framed = (text: string) => {
  const headers = new Framed()
  headers.text = text
  return headers
}

/** The client would throw, the server would cut the connection: refuse before anything leaves. */
const tooLarge = (wire: Wire, stream: string, { data, subject }: Append) => {
  const max = wire.nats.info?.max_payload ?? Number.POSITIVE_INFINITY
  return data.length + overheadMaxBytes <= max
    ? undefined
    : Effect.fail(new LogRefused({ stream, code: messageTooLarge, why: `${data.length} bytes on ${subject}; the server takes ${max - overheadMaxBytes}` }))
}

const outcome = (stream: string, answer: Msg, count: number): Effect.Effect<Appended, AppendError> => {
  const { error, seq } = answer.json<PublishAnswer>()
  if (error !== undefined) return Effect.fail(appendErrorOf(stream, error.err_code ?? error.code, error.description ?? ""))
  return Effect.succeed({ first: seq - count + 1, last: seq })
}

interface PublishAnswer {
  readonly seq: number
  readonly error?: { readonly code: number; readonly err_code?: number; readonly description?: string }
}

const messageTooLarge = 10054
const batchTooLarge = 10199

/** nats-server's error codes (errors.json) for a publish, as what a caller can do about them. */
const fencedCodes = new Set([10063, 10070, 10071, 10164])
/** Account, memory, storage and per-stream account limits. */
const fullCodes = new Set([10002, 10023, 10028, 10047, 10122])
/** Refused for now, nothing written: starting, no leader, offline, the same subject or id in flight, too many requests. */
const laterCodes = new Set([10004, 10008, 10009, 10039, 10076, 10118, 10158, 10163, 10167, 10194])
/** The batch was given up: incomplete, too many in flight. */
const abandonedCodes = new Set([10176, 10210])
const storeFailed = 10077

const appendErrorOf = (stream: string, code: number, why: string): AppendError => {
  if (fencedCodes.has(code)) return new LogFenced({ stream })
  if (fullCodes.has(code)) return new LogFull({ stream, hint: `The server is out of storage (${why}). Free disk space or raise its limit; then the same append succeeds.` })
  if (code === storeFailed) return storeFailure(stream, why)
  if (abandonedCodes.has(code)) return new LogUnavailable({ stream, cause: new Abandoned(why) })
  if (laterCodes.has(code)) return new LogUnavailable({ stream, cause: new Error(`${code} ${why}`) })
  return new LogRefused({ stream, code, why })
}

/** One code for all the store may say; the text tells (ErrMaxBytes, ErrMaxMsgs, ErrMsgTooLarge, the operating system's). */
const storeFailure = (stream: string, why: string): AppendError => {
  if (/maximum|no space|quota/i.test(why)) {
    return new LogFull({ stream, hint: `${stream} is full (${why}). Raise its size limit or free disk space; then the same append succeeds.` })
  }
  return /too large/i.test(why)
    ? new LogRefused({ stream, code: storeFailed, why })
    : new LogUnavailable({ stream, cause: new Error(`${storeFailed} ${why}`) })
}
