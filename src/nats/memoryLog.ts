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
/** JetStream's code for it. */
const batchTooLarge = 10199

/** `EventLog` and `Cursor` without a server: for tests of what is built on them. Gone with the process. */
export const makeMemoryLog = (name: string, options: MemoryLogOptions = {}): Effect.Effect<MemoryLog> =>
  Effect.map(Clock.currentTimeMillis, (createdAt) => {
    const store = makeStore(name, options)
    let metadata: Readonly<Record<string, string>> = {}
    const log: EventLog = {
      name,
      append: (batch) =>
        Effect.andThen(options.faults?.before ?? Effect.void, Clock.currentTimeMillis).pipe(
          Effect.flatMap((time) => Effect.suspend(() => store.write(batch, time))),
          Effect.tap(options.faults?.after ?? Effect.void)
        ),
      last: (subject) => Effect.sync(() => Option.fromUndefinedOr(store.newest.get(subject))),
      get: (seq) => Effect.sync(() => Option.filter(Option.fromUndefinedOr(store.from(seq, seq)[0]), (event) => event.seq === seq)),
      read: ({ filter, from }) => reading(store, { from, through: Number.POSITIVE_INFINITY, filter, whenEmpty: store.arrival }),
      readRange: ({ filter, from, through }) =>
        Stream.suspend(() => reading(store, { from, through: Math.min(through, store.size().lastSeq), filter, whenEmpty: Cause.done() })),
      info: Effect.sync(() => ({ createdAt: DateTime.formatIso(DateTime.makeUnsafe(createdAt)), ...store.size(), metadata })),
      setMetadata: (entries) => Effect.sync(() => void (metadata = { ...metadata, ...entries })),
      purge: ({ before = Number.POSITIVE_INFINITY, subject }) => Effect.sync(() => store.remove((event) => event.seq < before && matches(subject, event.subject)))
    }
    const positions = new Map<string, number>()
    return { ...log, openCursor: (cursor) => Effect.sync(() => cursorOn(store, log, positions, cursor)) }
  })

type Store = ReturnType<typeof makeStore>

const makeStore = (name: string, options: MemoryLogOptions) => {
  let stored: Array<Stored> = []
  let lastSeq = 0
  let bytes = 0
  const newest = new Map<string, Stored>()
  const ids = new Map<string, number>()
  const waiting = new Set<() => void>()

  const refusalOf = (batch: ReadonlyArray<Append>): AppendError | undefined => {
    if (batch.length > batchMessagesMax) return new LogRefused({ stream: name, code: batchTooLarge, why: `${batch.length} messages in one batch` })
    const stale = batch.some(({ expectedLast, subject }) => expectedLast !== undefined && (newest.get(subject)?.seq ?? 0) !== expectedLast)
    if (stale) return new LogFenced({ stream: name })
    const full = bytes + sizeOf(batch) > (options.sizeMaxBytes ?? Number.POSITIVE_INFINITY)
    return full ? new LogFull({ stream: name, hint: "The memory log is as small as its test wants it." }) : undefined
  }
  const write = (batch: ReadonlyArray<Append>, time: number): Effect.Effect<{ readonly first: number; readonly last: number }, AppendError> => {
    const known = batch[0]?.messageId === undefined ? undefined : ids.get(batch[0].messageId)
    if (known !== undefined) return Effect.succeed({ first: known, last: known })
    const refusal = refusalOf(batch)
    if (refusal !== undefined) return Effect.fail(refusal)
    const first = lastSeq + 1
    for (const { data, messageId, subject } of batch) {
      const event = { seq: ++lastSeq, subject, data, time }
      if (options.newestOnly === true) remove((old) => old.subject === subject)
      stored.push(event)
      newest.set(subject, event)
      if (messageId !== undefined) ids.set(messageId, event.seq)
    }
    bytes += sizeOf(batch)
    for (const wake of [...waiting]) wake()
    return Effect.succeed({ first, last: lastSeq })
  }
  const remove = (gone: (event: Stored) => boolean): number => {
    const kept = stored.filter((event) => !gone(event))
    const removed = stored.length - kept.length
    stored = kept
    bytes = sizeOf(kept)
    newest.clear()
    for (const event of kept) newest.set(event.subject, event)
    return removed
  }
  const from = (seq: number, through: number, filter?: string): ReadonlyArray<Stored> => {
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
  const size = () => ({ firstSeq: stored[0]?.seq ?? lastSeq + 1, lastSeq, messages: stored.length, bytes })
  const countFrom = (seq: number) => stored.length - indexOf(stored, seq)
  return { write, remove, from, arrival, size, countFrom, newest }
}

const sizeOf = (messages: ReadonlyArray<Pick<Append, "data" | "subject">>) => messages.reduce((sum, { data, subject }) => sum + data.length + subject.length, 0)

const reading = (
  store: Store,
  { filter, from, through, whenEmpty }: { readonly from: number; readonly through: number; readonly filter: string | undefined; readonly whenEmpty: Effect.Effect<void, Cause.Done> }
) =>
  Stream.fromPull(Effect.sync(() => {
    let next = from
    const take: Effect.Effect<readonly [ReadonlyArray<Stored>], Cause.Done> = Effect.suspend(() => {
      const found = store.from(next, through, filter)
      if (found.length === 0) return Effect.andThen(whenEmpty, take)
      next = found.at(-1)!.seq + 1
      return Effect.succeed([found] as const)
    })
    return take
  }))

const cursorOn = (store: Store, log: EventLog, positions: Map<string, number>, name: string): Cursor => {
  const position = () => positions.get(name) ?? 0
  const moveTo = (seq: number) => Effect.sync(() => void positions.set(name, seq))
  return {
    position: Effect.sync(position),
    pending: Effect.sync(() => store.countFrom(position() + 1)),
    read: Stream.suspend(() => log.read({ from: position() + 1 })),
    ack: moveTo,
    moveTo
  }
}

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
