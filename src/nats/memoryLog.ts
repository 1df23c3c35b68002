import { Cause, Clock, DateTime, Effect, Option, Stream } from "effect"
import type { AppendError, Cursor, EventLog, LogUnavailable, Stored } from "./EventLog.ts"
import { emptyImage, makeMemoryStore, type MemoryStore, type MemoryStoreOptions } from "./memoryStore.ts"

export interface MemoryLogOptions extends MemoryStoreOptions {
  /** What goes wrong: `before` an append nothing is written yet, `after` it everything is and the caller may not hear. */
  readonly faults?: { readonly before?: Effect.Effect<void, AppendError>; readonly after?: Effect.Effect<void, LogUnavailable> }
}

export interface MemoryLog extends EventLog {
  /** One position per name, kept as long as the log. */
  readonly openCursor: (name: string) => Effect.Effect<Cursor, LogUnavailable>
}

/** How a log's user and its store are apart. Without it they are one. */
export interface MemoryAccess {
  readonly faults?: MemoryLogOptions["faults"]
  /** Awaited after every other operation took effect and before its answer is heard. */
  readonly answer?: Effect.Effect<void, LogUnavailable>
  /** How somebody who waits for news hears of it. */
  readonly wake?: (resume: () => void) => void
}

/** `EventLog` and `Cursor` without a server: for tests of what is built on them. Gone with the process. */
export const makeMemoryLog = (name: string, options: MemoryLogOptions = {}): Effect.Effect<MemoryLog> =>
  Effect.map(Clock.currentTimeMillis, (createdAt) =>
    openMemoryLog(makeMemoryStore(name, emptyImage(createdAt), options), options.faults === undefined ? {} : { faults: options.faults }))

/** A log on a store that others may have open too. */
export const openMemoryLog = (store: MemoryStore, { answer = Effect.void, faults, wake = (resume) => resume() }: MemoryAccess = {}): MemoryLog => {
  const heard = <A>(take: () => A) => Effect.tap(Effect.sync(take), answer)
  const arrival = Effect.callback<void>((resume) => {
    const woken = () => {
      store.waiting.delete(woken)
      wake(() => resume(Effect.void))
    }
    store.waiting.add(woken)
    return Effect.sync(() => store.waiting.delete(woken))
  })
  const log: EventLog = {
    name: store.name,
    append: (batch) =>
      Effect.andThen(faults?.before ?? Effect.void, Clock.currentTimeMillis).pipe(
        Effect.flatMap((time) => Effect.suspend(() => store.write(batch, time))),
        Effect.tap(faults?.after ?? answer)
      ),
    last: (subject) => heard(() => Option.fromUndefinedOr(store.lastOf(subject))),
    get: (seq) => heard(() => Option.filter(Option.fromUndefinedOr(store.from(seq, seq)[0]), (event) => event.seq === seq)),
    read: ({ filter, from }) => reading(store, answer, { from, through: Number.POSITIVE_INFINITY, filter, whenEmpty: arrival }),
    readRange: ({ filter, from, through }) =>
      Stream.suspend(() => reading(store, answer, { from, through: Math.min(through, store.size().lastSeq), filter, whenEmpty: Cause.done() })),
    subjects: (pattern) => heard(() => store.subjects(pattern)),
    info: heard(() => ({ createdAt: DateTime.formatIso(DateTime.makeUnsafe(store.createdAt)), ...store.size(), metadata: store.metadata() })),
    setMetadata: (entries) => heard(() => store.setMetadata(entries)),
    purgeAll: heard(() => store.purge(">", Number.POSITIVE_INFINITY)),
    purge: ({ before = Number.POSITIVE_INFINITY, subject }) => heard(() => store.purge(subject, before))
  }
  return { ...log, openCursor: (name) => heard(() => cursorOn(store, log, answer, name)) }
}

const reading = (
  store: MemoryStore,
  answer: Effect.Effect<void, LogUnavailable>,
  { filter, from, through, whenEmpty }: { readonly from: number; readonly through: number; readonly filter: string | undefined; readonly whenEmpty: Effect.Effect<void, Cause.Done> }
) =>
  Stream.fromPull(Effect.sync(() => {
    let next = from
    const take: Effect.Effect<readonly [ReadonlyArray<Stored>], LogUnavailable | Cause.Done> = Effect.suspend(() => {
      const found = store.from(next, through, filter)
      if (found.length === 0) return Effect.andThen(whenEmpty, take)
      next = found.at(-1)!.seq + 1
      return Effect.as(answer, [found] as const)
    })
    return take
  }))

const cursorOn = (store: MemoryStore, log: EventLog, answer: Effect.Effect<void, LogUnavailable>, name: string): Cursor => {
  const position = () => store.positions.get(name) ?? 0
  const moveTo = (seq: number) => Effect.andThen(Effect.sync(() => void store.positions.set(name, seq)), answer)
  return {
    position: Effect.andThen(answer, Effect.sync(position)),
    pending: Effect.sync(() => store.countFrom(position() + 1)),
    read: Stream.suspend(() => log.read({ from: position() + 1 })),
    ack: moveTo,
    moveTo
  }
}
