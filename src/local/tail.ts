import { Effect, Result, Stream } from "effect"
import { StoreUnavailable, type Tailed, WriteInvalid } from "../../streams/Backend.ts"
import { decode, interpret, type Opened } from "../../streams/Envelope.ts"
import { journalCommitAuthor } from "../../streams/subjects.ts"
import { openFrame } from "./companionFrame.ts"
import { timePattern } from "../../streams/ids.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import type { AuthorKeys } from "../security/AuthorKeys.ts"
import { type DataKeys, openEnvelope } from "../security/envelopes.ts"
import { LogReader } from "../security/LogReader.ts"
import { readLog } from "../security/openLog.ts"
import { untilShown } from "../../projections/untilShown.ts"
import type { Projections } from "../../projections/runner.ts"
import { journalCursor } from "./journalLoop.ts"
import { logCursor } from "./mirrorLoop.ts"

export interface TailContext {
  readonly journal: EventLog
  readonly mirror: () => EventLog | undefined
  readonly source: string
  readonly dataKeys: DataKeys
  readonly keys: Effect.Effect<AuthorKeys>
  readonly projections: Pick<Projections["Service"], "positions" | "settled">
}

/** Companions' events told ahead of the log, remembered per reader; beyond, the oldest is told twice, under one event id. */
const toldMax = 10_000

/** Where a reader of the event stream is: own events by journal sequence, others' by the log's. */
interface Place {
  readonly journal: number
  readonly log: number
}

const invalid = (why: string) => new WriteInvalid({ why, hint: "Give start, now, a cursor as it was given out (<journal>.<mirror>), or a time YYYY-MM-DDTHH:mm:ss.sssZ." })

const placeOf = (from: string, ends: Place): Result.Result<{ readonly place: Place; readonly since: string }, WriteInvalid> => {
  if (from === "start") return Result.succeed({ place: { journal: 0, log: 0 }, since: "" })
  if (from === "now") return Result.succeed({ place: ends, since: "" })
  if (timePattern.test(from)) return Result.succeed({ place: { journal: 0, log: 0 }, since: from })
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(from)
  return match === null ? Result.fail(invalid(`not a place in the event stream: ${from.slice(0, 40)}`)) : Result.succeed({ place: { journal: Number(match[1]), log: Number(match[2]) }, since: "" })
}

const cursorOf = ({ journal, log }: Place): string => `${journal}.${log}`

const endsOf = ({ projections }: TailContext): Effect.Effect<Place> =>
  Effect.map(projections.positions, (at) => ({ journal: at.get(journalCursor)?.seq ?? 0, log: at.get(logCursor)?.seq ?? 0 }))

/** The cursor behind everything that is in the tables. */
export const nowLocal = (context: TailContext): Effect.Effect<string> => Effect.map(endsOf(context), cursorOf)

interface Read {
  readonly opened: Opened
  /** Where it lies, in one of the two. */
  readonly at: Partial<Place>
}

/**
 * Own events from the journal, others' from the mirror, verified and opened, from a place on, live; each when the tables
 * show it.
 */
export const tailLocal = (context: TailContext, options: { readonly from: string; readonly subject?: string }): Stream.Stream<Tailed, WriteInvalid | StoreUnavailable> =>
  Stream.unwrap(Effect.gen(function*() {
    const start = yield* Effect.fromResult(placeOf(options.from, yield* endsOf(context)))
    const wanted = ({ envelope }: Opened) => (start.since === "" || envelope.time >= start.since) && (options.subject === undefined || envelope.subject === options.subject)
    const shown = { journal: untilShown(context.projections, journalCursor), log: untilShown(context.projections, logCursor) }
    const whenShown = (input: keyof Place) => (read: ReadonlyArray<Read>) => read.length === 0 ? Effect.succeed(read) : Effect.as(shown[input](read.at(-1)!.at[input]!), read)
    /** Companions' events told from the journal: they come once more, from the log. */
    const told = new Set<string>()
    const own = context.journal.read({ from: start.place.journal + 1 }).pipe(
      Stream.map((batch) => batch.flatMap((stored): ReadonlyArray<Read> => openStored(context, stored).flatMap((opened) => {
        if (opened.envelope.source !== context.source) told.add(opened.envelope.id)
        if (told.size > toldMax) told.delete(told.values().next().value!)
        return wanted(opened) ? [{ opened, at: { journal: stored.seq } }] : []
      }))),
      Stream.mapEffect(whenShown("journal")))
    const mirror = context.mirror()
    if (mirror === undefined) return numbered(start.place, own)
    const reader = new LogReader(yield* context.keys)
    const isOwn = (envelope: { readonly source: string }) => envelope.source === context.source
    const others = mirror.read({ from: start.place.log + 1 }).pipe(
      Stream.map((batch) =>
        readLog(reader, batch, { open: (_, envelope) => openEnvelope(envelope, context.dataKeys), isOwn }).flatMap((item) =>
          item.kind === "problem" ? [] : item.events.flatMap((event): ReadonlyArray<Read> =>
            event._tag === "opened" && !isOwn(event.opened.envelope) && !told.delete(event.opened.envelope.id) && wanted(event.opened) ? [{ opened: event.opened, at: { log: event.seq } }] : []))),
      Stream.mapEffect(whenShown("log")))
    return numbered(start.place, Stream.merge(own, others))
  })).pipe(Stream.mapError((error) => isUnavailable(error) ? new StoreUnavailable({ hint: "The local nats-server does not answer; it is being restarted." }) : error))

/** With the cursor behind each, in the order they are told in: a cursor never stands behind what was not told yet. */
const numbered = <E>(from: Place, read: Stream.Stream<ReadonlyArray<Read>, E>): Stream.Stream<Tailed, E> => {
  let place = from
  return read.pipe(
    Stream.flattenIterable,
    Stream.map(({ at, opened }) => {
      place = { ...place, ...at }
      return { cursor: cursorOf(place), event: { ...opened.envelope, datacontenttype: "application/json", data: opened.fact.data } }
    }))
}

const isUnavailable = (error: WriteInvalid | LogUnavailable): error is LogUnavailable => error._tag === "LogUnavailable"

/** What a journal message says: one event of ours, or those of a companion's commit. */
const openStored = (context: TailContext, stored: Stored): ReadonlyArray<Opened> => {
  if (journalCommitAuthor(stored.subject) !== undefined) return openFrame(stored.data, context.dataKeys).flatMap((opened) => Result.isSuccess(opened) ? [opened.success] : [])
  const opened = openPlain(stored)
  return opened === undefined ? [] : [opened]
}

const openPlain = (stored: Stored): Opened | undefined => {
  const envelope = decode(stored.data)
  const opened = Result.isSuccess(envelope) ? interpret(envelope.success, envelope.success.data) : undefined
  return opened !== undefined && Result.isSuccess(opened) ? opened.success : undefined
}
