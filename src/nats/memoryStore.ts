import { Effect } from "effect"
import { batchMessagesMax } from "../../streams/limits.ts"
import { type Append, type AppendError, LogFenced, LogFull, LogRefused, type Stored } from "./EventLog.ts"

export interface MemoryStoreOptions {
  readonly sizeMaxBytes?: number
  /** Keep only the newest message of a subject, as a key-value bucket does. */
  readonly newestOnly?: boolean
}

/** Everything a store holds, at one moment: what a copy of its folder would. */
export interface MemoryImage {
  readonly createdAt: number
  readonly messages: ReadonlyArray<Stored>
  readonly lastSeq: number
  readonly metadata: Readonly<Record<string, string>>
  readonly positions: ReadonlyMap<string, number>
}

/** What lies under a memory log: it outlives those who read and write it, as a stream outlives its clients. */
export type MemoryStore = ReturnType<typeof makeMemoryStore>

const readMax = 2000
/** JetStream's code for it. */
const batchTooLarge = 10199

/** A store as it was in `image`. */
export const makeMemoryStore = (name: string, image: MemoryImage, options: MemoryStoreOptions = {}) => {
  let stored: Array<Stored> = [...image.messages]
  let lastSeq = image.lastSeq
  let bytes = sizeOf(stored)
  let metadata = image.metadata
  const positions = new Map(image.positions)
  const newest = new Map(stored.map((event) => [event.subject, event]))
  const ids = new Map<string, number>()
  const waiting = new Set<() => void>()

  const keep = (event: Stored) => {
    lastSeq = event.seq
    if (options.newestOnly === true) remove((old) => old.subject === event.subject)
    stored.push(event)
    newest.set(event.subject, event)
  }
  const wakeAll = () => [...waiting].forEach((wake) => wake())
  const write = (batch: ReadonlyArray<Append>, time: number): Effect.Effect<{ readonly first: number; readonly last: number }, AppendError> => {
    const known = batch[0]?.messageId === undefined ? undefined : ids.get(batch[0].messageId)
    if (known !== undefined) return Effect.succeed({ first: known, last: known })
    const refusal = refusalOf(name, batch, lastOf, (options.sizeMaxBytes ?? Number.POSITIVE_INFINITY) - bytes)
    if (refusal !== undefined) return Effect.fail(refusal)
    const first = lastSeq + 1
    for (const { data, messageId, subject } of batch) {
      keep({ seq: lastSeq + 1, subject, data, time })
      if (messageId !== undefined) ids.set(messageId, lastSeq)
    }
    bytes += sizeOf(batch)
    wakeAll()
    return Effect.succeed({ first, last: lastSeq })
  }
  /** As a mirror does: messages of another stream under the sequences they have there. Older ones are passed over. */
  const copy = (events: ReadonlyArray<Stored>): void => {
    for (const event of events) {
      if (event.seq <= lastSeq) continue
      keep(event)
      bytes += sizeOf([event])
    }
    wakeAll()
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
  const lastOf = (pattern: string): Stored | undefined =>
    pattern.includes("*") || pattern.endsWith(">") ? stored.findLast(({ subject }) => matches(pattern, subject)) : newest.get(pattern)
  const from = (seq: number, through: number, filter?: string) => between(stored, seq, through, filter)
  return {
    name, write, copy, from, lastOf, positions,
    subjects: (pattern: string) => counted(stored, pattern),
    purge: (subject: string, before: number) => remove((event) => event.seq < before && matches(subject, event.subject)),
    /** Called at every write until it is taken out again. */
    waiting,
    metadata: () => metadata,
    setMetadata: (entries: Readonly<Record<string, string>>): void => void (metadata = { ...metadata, ...entries }),
    size: () => ({ firstSeq: stored[0]?.seq ?? lastSeq + 1, lastSeq, messages: stored.length, bytes }),
    countFrom: (seq: number) => stored.length - indexOf(stored, seq),
    createdAt: image.createdAt,
    /** As it is now, without what lies behind `through`: what a crash leaves of a store that was not synced beyond. */
    image: (through = lastSeq): MemoryImage => ({
      createdAt: image.createdAt,
      messages: stored.slice(0, indexOf(stored, through + 1)),
      lastSeq: Math.min(through, lastSeq),
      metadata,
      positions: new Map(positions)
    })
  }
}

const counted = (stored: ReadonlyArray<Stored>, pattern: string): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const { subject } of stored) if (matches(pattern, subject)) counts.set(subject, (counts.get(subject) ?? 0) + 1)
  return counts
}

export const emptyImage = (createdAt: number): MemoryImage => ({ createdAt, messages: [], lastSeq: 0, metadata: {}, positions: new Map() })

const refusalOf = (stream: string, batch: ReadonlyArray<Append>, lastOf: (pattern: string) => Stored | undefined, roomBytes: number): AppendError | undefined => {
  if (batch.length > batchMessagesMax) return new LogRefused({ stream, code: batchTooLarge, why: `${batch.length} messages in one batch` })
  const stale = batch.some(({ expectedLast, expectedOn, subject }) => expectedLast !== undefined && (lastOf(expectedOn ?? subject)?.seq ?? 0) !== expectedLast)
  if (stale) return new LogFenced({ stream })
  return sizeOf(batch) > roomBytes ? new LogFull({ stream, hint: "The memory log is as small as its test wants it." }) : undefined
}

const between = (stored: ReadonlyArray<Stored>, seq: number, through: number, filter: string | undefined): ReadonlyArray<Stored> => {
  const found: Array<Stored> = []
  for (let i = indexOf(stored, seq); i < stored.length && stored[i]!.seq <= through && found.length < readMax; i++) {
    if (filter === undefined || matches(filter, stored[i]!.subject)) found.push(stored[i]!)
  }
  return found
}

const sizeOf = (messages: ReadonlyArray<Pick<Append, "data" | "subject">>) => messages.reduce((sum, { data, subject }) => sum + data.length + subject.length, 0)

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
