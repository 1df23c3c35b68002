import { Effect, Result } from "effect"
import type { Envelope, Opened } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import type { LogMessage, LogReader, Problem } from "./LogReader.ts"
import type { CommitRecord } from "../../streams/CommitRecord.ts"

/** An event of a valid commit, opened; or left sealed because this reader wrote it itself; or why it cannot be read here. */
export type LogEvent =
  | { readonly _tag: "opened"; readonly seq: number; readonly opened: Opened }
  | { readonly _tag: "own"; readonly seq: number; readonly envelope: Envelope }
  | { readonly _tag: "unreadable"; readonly seq: number; readonly envelope: Envelope; readonly what: "parked" | "malformed"; readonly detail: string }

export type LogEntry =
  | Problem
  | {
    readonly kind: "commit"
    readonly seq: number
    readonly tenant: string
    readonly record: CommitRecord
    readonly digest: string
    readonly events: ReadonlyArray<LogEvent>
  }

interface Reading {
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  readonly isOwn: (envelope: Envelope) => boolean
}

/**
 * Read a batch of messages with a `LogReader`, open what counts, and let the reader learn the keys in it.
 *
 * `isOwn`: events to leave sealed, because their author holds them already. `open` is asked once for every other.
 */
export const readLog = (reader: LogReader, messages: ReadonlyArray<LogMessage>, options: Reading): ReadonlyArray<LogEntry> => {
  const steps = reading(reader, messages, options)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** `readLog` a little at a time, so that whoever else waits for this thread waits a millisecond, not the whole batch. */
export const readLogInTurns = Effect.fnUntraced(function*(reader: LogReader, messages: ReadonlyArray<LogMessage>, options: Reading) {
  const steps = reading(reader, messages, options)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    yield* Effect.yieldNow
  }
})

/** Messages taken or events opened between two pauses: about a millisecond. */
const turnMax = 100

function* reading(reader: LogReader, messages: ReadonlyArray<LogMessage>, options: Reading): Generator<void, ReadonlyArray<LogEntry>> {
  const out: Array<LogEntry> = []
  let taken = 0
  for (const message of messages) {
    if (++taken % turnMax === 0) yield
    for (const read of reader.accept(message)) {
      if (read.kind === "problem") {
        out.push(read)
        continue
      }
      const events: Array<LogEvent> = []
      for (const { envelope, seq } of read.events) {
        // an author's own key events still have to be learned by it
        if (options.isOwn(envelope) && envelope.type !== "key.rotated") {
          events.push({ _tag: "own", seq, envelope })
          continue
        }
        if (++taken % turnMax === 0) yield
        const opened = options.open(read.tenant, envelope)
        if (Result.isFailure(opened)) {
          events.push({ _tag: "unreadable", seq, envelope, ...describe(opened.failure) })
          continue
        }
        const refused = reader.learn(read.tenant, read.record.author, opened.success)
        if (refused === undefined) events.push({ _tag: "opened", seq, opened: opened.success })
        else out.push({ ...refused, seq })
      }
      out.push({ kind: "commit", seq: read.seq, tenant: read.tenant, record: read.record, digest: read.digest, events })
    }
  }
  return out
}

const describe = (failure: Result.Result.Failure<OpenResult>): { readonly what: "parked" | "malformed"; readonly detail: string } => {
  switch (failure._tag) {
    case "EventFromTheFuture":
      return { what: "parked", detail: `${failure.type} version ${failure.stored} is newer than this program reads (${failure.newest}): update this device` }
    case "KeyMissing":
      return { what: "parked", detail: `the data key ${failure.kid} is not here` }
    case "EventMalformed":
      return { what: "malformed", detail: failure.why }
  }
}

/**
 * For readers without an end: what is missing once the log was read as far as it went when the hole was seen. `end`: the
 * last sequence of the log as it is now, where that can be said.
 */
export const makeJudge = (reader: LogReader, end: Effect.Effect<number | undefined>) => {
  let until: number | undefined
  /** After each batch, with its last sequence. */
  return Effect.fnUntraced(function*(at: number): Effect.fn.Return<ReadonlyArray<Problem>> {
    if (!reader.absences.some) {
      until = undefined
      return []
    }
    until ??= yield* end
    if (until === undefined || at < until) return []
    const read = until
    const missing = reader.missing().filter(({ seq }) => seq <= read)
    reader.absences.drop(read)
    until = undefined
    return missing
  })
}
