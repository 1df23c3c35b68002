import { Cause, Clock, DateTime, Effect, Option, Stream } from "effect"
import { batchMessagesMax } from "../../streams/limits.ts"
import { type Append, type AppendError, type Cursor, type EventLog, LogFenced, LogFull, LogRefused, type LogUnavailable, type Stored } from "./EventLog.ts"

export interface MemoryLogOptions {
  readonly sizeMaxBytes?: number
  /** Keep only the newest message of a subject, as a key-value bucket does. */
  readonly newestOnly?: boolean
  /** What goes wrong: `before` an append nothing is written yet, `after` it everything is and the caller may not hear. */
  readonly faults?: { readonly before?: Effect.Effect<void, AppendError>; readonly after?: Effect.Effect<void, LogUnavailable> }
}

export interface MemoryLog extends EventLog {
  /** One position per name, kept as long as the log. */
  readonly openCursor: (name: string) => Effect.Effect<Cursor, LogUnavailable>
}

const batchMaxEvents = 2000
const code = { batchTooLarge: 10199 } as const

/** `EventLog` and `Cursor` without a server: for tests of what is built on them. Gone with the process. */
export const makeMemoryLog = (name: string, options: MemoryLogOptions = {}): Effect.Effect<MemoryLog> =>
  Effect.map(Clock.currentTimeMillis, (createdAt) => {
    let stored: Array<Stored> = []
    let lastSeq = 0
    let bytes = 0
    let metadata: Readonly<Record<string, string>> = {}
    const newest = new Map<string, Stored>()
    const ids = new Map<string, number>()
    const positions = new Map<string, number>()
    const waiting = new Set<() => void>()

    const write = (batch: ReadonlyArray<Append>, time: number): Effect.Effect<{ first: number; last: number }, AppendError> => {
      if (batch.length > batchMessagesMax) return Effect.fail(new LogRefused({ stream: name, code: code.batchTooLarge, why: `${batch.length} messages in one batch` }))
      const known = batch[0]?.messageId === undefined ? undefined : ids.get(batch[0].messageId)
      if (known !== undefined) return Effect.succeed({ first: known, last: known })
      if (batch.some(({ expectedLast, subject }) => expectedLast !== undefined && (newest.get(subject)?.seq ?? 0) !== expectedLast)) return Effect.fail(new LogFenced({ stream: name }))
      const size = batch.reduce((sum, { data, subject }) => sum + data.length + subject.length, 0)
      if (bytes + size > (options.sizeMaxBytes ?? Number.POSITIVE_INFINITY)) return Effect.fail(new LogFull({ stream: name, hint: "The memory log is as small as its test wants it." }))
      const first = lastSeq + 1
      for (const { data, messageId, subject } of batch) {
        const event = { seq: ++lastSeq, subject, data, time }
        if (options.newestOnly === true) remove((old) => old.subject === subject)
        stored.push(event)
        newest.set(subject, event)
        bytes += data.length + subject.length
        if (messageId !== undefined) ids.set(messageId, event.seq)
      }
      for (const wake of [...waiting]) wake()
      return Effect.succeed({ first, last: lastSeq })
    }
    const remove = (gone: (event: Stored) => boolean): number => {
      const kept = stored.filter((event) => !gone(event))
      const removed = stored.length - kept.length
      if (removed === 0) return 0
      stored = kept
      bytes = kept.reduce((sum, { data, subject }) => sum + data.length + subject.length, 0)
      newest.clear()
      for (const event of kept) newest.set(event.subject, event)
      return removed
    }
    const from = (seq: number, through: number, filter: string | undefined): ReadonlyArray<Stored> => {
      const found: Array<Stored> = []
      for (let i = indexOf(stored, seq); i < stored.length && stored[i]!.seq <= through && found.length < batchMaxEvents; i++) {
        if (filter === undefined || matches(filter, stored[i]!.subject)) found.push(stored[i]!)
      }
      return found
    }
    const arrival = Effect.callback<void>((resume) => {
      const wake = () => {
        waiting.delete(wake)
        resume(Effect.void)
      }
      waiting.add(wake)
      return Effect.sync(() => waiting.delete(wake))
    })
    const reading = (start: number, through: number, filter: string | undefined, whenEmpty: Effect.Effect<void, Cause.Done>) =>
      Stream.fromPull(Effect.sync(() => {
        let next = start
        const take: Effect.Effect<readonly [ReadonlyArray<Stored>], Cause.Done> = Effect.suspend(() => {
          const found = from(next, through, filter)
          if (found.length === 0) return Effect.andThen(whenEmpty, take)
          next = found.at(-1)!.seq + 1
          return Effect.succeed([found] as const)
        })
        return take
      }))

    const log: EventLog = {
      name,
      append: (batch) =>
        Effect.andThen(options.faults?.before ?? Effect.void, Clock.currentTimeMillis).pipe(
          Effect.flatMap((time) => write(batch, time)),
          Effect.tap(options.faults?.after ?? Effect.void)
        ),
      last: (subject) => Effect.sync(() => Option.fromUndefinedOr(newest.get(subject))),
      get: (seq) => Effect.sync(() => Option.fromUndefinedOr(stored[indexOf(stored, seq)]).pipe(Option.filter((event) => event.seq === seq))),
      read: ({ filter, from: start }) => reading(start, Number.POSITIVE_INFINITY, filter, arrival),
      readRange: ({ filter, from: start, through }) => Stream.suspend(() => reading(start, Math.min(through, lastSeq), filter, Cause.done())),
      info: Effect.sync(() => ({
        createdAt: DateTime.formatIso(DateTime.makeUnsafe(createdAt)),
        firstSeq: stored[0]?.seq ?? lastSeq + 1,
        lastSeq,
        messages: stored.length,
        bytes,
        metadata
      })),
      setMetadata: (entries) => Effect.sync(() => void (metadata = { ...metadata, ...entries })),
      purge: ({ before = Number.POSITIVE_INFINITY, subject }) => Effect.sync(() => remove((event) => event.seq < before && matches(subject, event.subject)))
    }
    const openCursor = (cursor: string): Effect.Effect<Cursor> =>
      Effect.sync(() => {
        const position = () => positions.get(cursor) ?? 0
        const moveTo = (seq: number) => Effect.sync(() => void positions.set(cursor, seq))
        return {
          position: Effect.sync(position),
          pending: Effect.sync(() => stored.length - indexOf(stored, position() + 1)),
          read: Stream.suspend(() => log.read({ from: position() + 1 })),
          ack: moveTo,
          moveTo
        }
      })
    return { ...log, openCursor }
  })

/** Index of the first event at or after `seq`; they are in order of it. */
const indexOf = (stored: ReadonlyArray<Stored>, seq: number): number => {
  let low = 0
  let high = stored.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (stored[middle]!.seq < seq) low = middle + 1
    else high = middle
  }
  return low
}

/** NATS wildcards: `*` is one token, `>` at the end one or more. */
const matches = (pattern: string, subject: string): boolean => {
  const wanted = pattern.split(".")
  const tokens = subject.split(".")
  return wanted.every((token, i) => i < tokens.length && (token === ">" || token === "*" || token === tokens[i])) &&
    (wanted.length === tokens.length || (wanted.at(-1) === ">" && wanted.length <= tokens.length))
}
