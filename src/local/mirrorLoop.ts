import { Clock, Duration, Effect, Option, Result, Stream, SubscriptionRef } from "effect"
import type { Shared, WithheldEntry } from "../../projections/Entry.ts"
import { fromLog, tracesOf } from "../../projections/fromLog.ts"
import type { Projections } from "../../projections/runner.ts"
import { selfTenant } from "../../streams/Backend.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import { count, observe } from "../../streams/metrics.ts"
import { millisOf } from "../../streams/time.ts"
import { subjects } from "../../streams/subjects.ts"
import { traced } from "../../streams/tracing.ts"
import type { LogUnavailable } from "../nats/EventLog.ts"
import type { Mirror } from "../nats/mirror.ts"
import { type AuthorEntry, AuthorKeys } from "../security/AuthorKeys.ts"
import { type DataKeys, openEnvelope } from "../security/envelopes.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import { type ChainHead, LogReader } from "../security/LogReader.ts"
import { type LogEntry, makeJudge, readLogInTurns } from "../security/openLog.ts"
import { erasureIn, receiptAt } from "./erasureHeard.ts"
import type { LamportClock } from "./Journal.ts"
import type { PairedWith } from "./Pairing.ts"
import { expiredWhy } from "./prepare.ts"
import { awaitBump, awaitRef, bump, note, type State } from "./State.ts"

export interface MirrorContext extends Mirror {
  readonly state: State
  readonly paired: () => PairedWith
  readonly source: string
  readonly projections: Projections["Service"]
  readonly dataKeys: DataKeys
  readonly clock: LamportClock
  readonly remembered: Effect.Effect<{
    readonly heads: Iterable<readonly [string, string, ChainHead]>
    readonly keys: Iterable<readonly [string, string, AuthorEntry]>
  }>
  /** Told of what in the log does not hold. */
  readonly quarantined: (what: string, seq: number) => Effect.Effect<void>
  /** Our own forms of these events, to tell how the ones in the log differ. */
  readonly own: (eventIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Shared>>
  /** Which of these events are here, and whether they were written here. */
  readonly held: (eventIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, boolean>>
  /** Whether what was written here stays when retention removes it from the log. */
  readonly keepsOwn: Effect.Effect<boolean>
  /** What retention took from conversations so far, by their name in the log. */
  readonly expired: Effect.Effect<ReadonlyArray<{ readonly conversation: string; readonly before: number }>>
  /** Completes when the tables hold what the journal holds now. */
  readonly journalRead: Effect.Effect<void>
  /** The end of the log over there as it is now, where it can be heard. */
  readonly logEnd: Effect.Effect<number | undefined>
  readonly head: (seq: number, digest: string) => void
  /** Reading begins at the beginning. */
  readonly restarted: () => void
}

export const logCursor = "log"
/** Whose log it is, and in which epoch: what the places in the tables count in. */
export const epochOf = (paired: PairedWith): string => `${paired.log_id}/${paired.log_epoch}/${paired.tenant}`
const tenantOf = (epoch: string): string | undefined => epoch.split("/")[2]

const retryEvery = Duration.seconds(1)
const lookEvery = Duration.seconds(2)

/**
 * Keep the mirror whole and the tables in step with it, for ever.
 *
 * A mirror made anew continues at the hub's ack floor, not at its own beginning, and says it lags by
 * nothing: whenever it is new, shorter than what was read from it before, of another epoch, gone, or shows anything
 * that a damaged copy would show, it is deleted, the hub is told to start at 1, and it is made again.
 */
export const runMirror = Effect.fn("local.mirror")(function*(context: MirrorContext) {
  const { state } = context
  let mended = ""
  let again = false
  for (;;) {
    const wanted = SubscriptionRef.getUnsafe(state.mirrorWanted)
    const ready = yield* Effect.result(makeWhole(context, again || wanted !== SubscriptionRef.getUnsafe(state.mirrorMade)))
    if (Result.isFailure(ready)) {
      note(state, yield* Clock.currentTimeMillis, `mirror: ${ready.failure._tag}`)
      yield* Effect.sleep(retryEvery)
      continue
    }
    again = false
    yield* SubscriptionRef.set(state.mirrorMade, wanted)
    // once per epoch: what is still missing after that is missing over there
    const epoch = epochOf(context.paired())
    const ended = yield* Effect.raceFirst(
      read(context, mended !== epoch).pipe(Effect.catchTag("LogUnavailable", () => Effect.succeed("unavailable" as const))),
      Effect.raceFirst(isSpoiled(context), Effect.raceFirst(awaitRef(state.mirrorWanted, (now) => now !== wanted).pipe(Effect.as("wanted" as const)), awaitBump(state.reread).pipe(Effect.as("reread" as const)))))
    if (ended === "damaged" || ended === "spoiled") again = true
    if (ended === "damaged") mended = epoch
    // the tables hold the registration now, with which the rest counts
    if (ended === "late") yield* context.projections.newEpoch(logCursor, epoch).pipe(Effect.orDie)
    if (ended === "unavailable") yield* Effect.sleep(retryEvery)
  }
})

/**
 * Completes when somebody deleted the mirror under us, or its server found a spoiled file and forgot what lies behind:
 * the hub believes that delivered, and would go on after it.
 */
const isSpoiled = (context: MirrorContext) =>
  Effect.gen(function*() {
    for (let greatest = 0;;) {
      yield* Effect.sleep(lookEvery)
      const info = yield* Effect.result(context.info)
      if (Result.isFailure(info)) continue
      const last = Option.match(info.success, { onNone: () => -1, onSome: ({ lastSeq }) => lastSeq })
      if (last < greatest || last === -1) return "spoiled" as const
      greatest = last
    }
  })

const makeWhole = Effect.fnUntraced(function*(context: MirrorContext, again: boolean) {
  const { projections } = context
  const epoch = epochOf(context.paired())
  const { created } = yield* context.ensure
  const position = (yield* projections.positions).get(logCursor)
  const moved = position !== undefined && position.epoch !== epoch
  const info = yield* context.info
  const short = Option.isNone(info) || info.value.lastSeq < (moved ? 0 : position?.seq ?? 0)
  if (!created && !again && !moved && !short) return
  yield* awaitRef(context.state.link, ({ up }) => up)
  const fromTheBeginning = projections.newEpoch(logCursor, epoch).pipe(Effect.orDie)
  // What the old mirror lacked may lie before the place the tables have come to, whatever showed that it lacks something:
  // one that lost its end, and went on, may lose its end once more before anybody has compared it with the log. A crash
  // between two of these steps leaves the gap, or the old epoch, to be noticed again.
  if (!moved) yield* fromTheBeginning
  yield* context.recreate
  if (moved) yield* tenantOf(position.epoch) === context.paired().tenant ? fromTheBeginning : othersLog(context)
})

/**
 * The tables hold another tenant's log: another user's conversations, places and names of ids. Nothing of it is this
 * one's, so they are made again, from the journal and the new mirror.
 */
const othersLog = ({ projections, state }: MirrorContext) => projections.reset.pipe(Effect.orDie, Effect.andThen(bump(state.reread)))

/**
 * Read from the tables' position on. Where `mend`, ends before the first thing that a damaged copy would show. Ends too
 * behind a registration that came later than what its author wrote.
 */
const read = Effect.fnUntraced(function*(context: MirrorContext, mend: boolean): Effect.fn.Return<"damaged" | "late" | "unavailable", LogUnavailable> {
  const { projections } = context
  const paired = context.paired()
  const epoch = epochOf(paired)
  // emptied tables read both again: what an own event is called in the log is told from our own form of it, which must be there
  yield* context.journalRead
  const from = (yield* projections.positions).get(logCursor)?.seq ?? 0
  if (from === 0) context.restarted()
  const { heads, keys } = yield* context.remembered
  const hosted = { backendId: paired.hosted.backend_id, keys: keysOfIdentity(paired.hosted) }
  const reader = new LogReader(new AuthorKeys(hosted, keys), from === 0 ? [] : heads)
  const isOwn = (envelope: Envelope) => envelope.source === context.source
  /** How own events that had to be opened differ from what was written here. */
  const forms = new Map<string, Shared>()
  let damaged = false
  let late = false
  let after = from

  const takeBatch = (items: ReadonlyArray<LogEntry>): Effect.Effect<void, LogUnavailable> =>
    // whether own copies stay is told by the settings that stand before the announcement
    items.some(changesSettings) && expirationsIn(items).length > 0 ? Effect.forEach(items, (item) => takeOne([item]), { discard: true }) : takeOne(items)
  const takeOne = Effect.fnUntraced(function*(items: ReadonlyArray<LogEntry>) {
    if (items.length === 0 || damaged) return
    damaged = mend && items.some(({ kind }) => kind === "problem")
    if (damaged) return
    const opened = yield* openOwn(context, items, forms)
    for (const item of opened) learnClock(context, item)
    const entries = fromLog(opened, {
      tenant: () => selfTenant,
      isOwn,
      shared: (eventId) => context.state.onTheirWay.get(eventId) ?? undefined
    }).map((entry) => {
      const shared = entry.kind === "event" && entry.own ? forms.get(entry.opened.envelope.id) : undefined
      return shared === undefined || entry.kind !== "event" ? entry : { ...entry, shared }
    })
    // told before what it is about, and the sort is stable
    const kept = yield* keptHere(context, opened)
    entries.unshift(...kept)
    entries.sort((a, b) => a.seq - b.seq)
    const position = yield* projections.keepAbsorbing({ cursor: logCursor, epoch, entries, after }).pipe(traced("maestra.project", () => tracesOf(entries)), Effect.orDie, Effect.tap(() => arrived(opened)), Effect.tap(() => quarantine(context, opened)))
    // never back: behind emptied tables nothing is taken until reading begins again
    after = Math.max(after, position.seq)
    yield* purgeMirror(context, expirationsIn(opened))
    const erasure = opened.flatMap(erasureIn)[0]
    if (erasure !== undefined) yield* SubscriptionRef.set(context.state.erasing, { receipt: yield* receiptAt(context.log, erasure) })
    for (const item of opened) {
      if (item.kind === "commit") {
        context.head(item.seq, item.digest)
        for (const event of item.events) if (event._tag === "own") context.state.onTheirWay.delete(event.envelope.id)
        if (changesSettings(item)) yield* bump(context.state.settingsSeen)
      }
    }
  })

  const judge = makeJudge(reader, context.logEnd)
  // a crash may have come between an announcement and its purge
  yield* purgeMirror(context, yield* context.expired)
  yield* context.log.read({ from: from + 1 }).pipe(
    Stream.mapEffect((batch) =>
      Effect.gen(function*() {
        const items = yield* readLogInTurns(reader, batch, { open: (_, envelope) => openEnvelope(envelope, context.dataKeys), isOwn })
        return { isLate: reader.isLate, items: [...items, ...yield* judge(batch.at(-1)!.seq)] }
      })),
    // the next batch is verified and opened while SQLite, on its own thread, takes this one in
    Stream.buffer({ capacity: 1 }),
    Stream.mapEffect(({ isLate, items }) => Effect.andThen(takeBatch(items), Effect.sync(() => { late ||= isLate }))),
    Stream.takeWhile(() => !damaged && !late),
    Stream.runDrain)
  return damaged ? "damaged" : "late"
})

const quarantine = ({ quarantined }: MirrorContext, items: ReadonlyArray<LogEntry>): Effect.Effect<void> =>
  Effect.forEach(items, (item) => item.kind === "problem" ? quarantined(item.what, item.seq) : Effect.void, { discard: true })

/** How old events of others were when they could be read here. */
const arrived = (items: ReadonlyArray<LogEntry>): Effect.Effect<void> => Effect.map(Clock.currentTimeMillis, (now) => {
  for (const item of items) {
    if (item.kind === "problem") continue
    for (const event of item.events) {
      if (event._tag === "own") continue
      const { time } = event._tag === "opened" ? event.opened.envelope : event.envelope
      count("maestra_mirrored_events_total", {})
      observe("maestra_arrival_age_seconds", {}, Math.max(0, now - millisOf(time)) / 1000)
    }
  }
})

/** Own events whose way out nobody remembers are opened, to tell how they differ from what was written here. */
const openOwn = Effect.fnUntraced(function*(context: MirrorContext, items: ReadonlyArray<LogEntry>, forms: Map<string, Shared>) {
  forms.clear()
  const unsure = items.flatMap((item) => item.kind === "commit" ? item.events.flatMap((event) => event._tag === "own" && !context.state.onTheirWay.has(event.envelope.id) ? [event.envelope.id] : []) : [])
  if (unsure.length === 0) return items
  const own = yield* context.own(unsure)
  return items.map((item): LogEntry => {
    if (item.kind === "problem") return item
    return {
      ...item,
      events: item.events.map((event) => {
        if (event._tag !== "own" || context.state.onTheirWay.has(event.envelope.id)) return event
        const opened = openEnvelope(event.envelope, context.dataKeys)
        if (Result.isFailure(opened)) return event
        const here = own.get(event.envelope.id)
        if (here !== undefined) {
          const shared = compare(here, opened.success.envelope.subject, opened.success.fact.data)
          if (shared !== undefined) forms.set(event.envelope.id, shared)
        }
        return { _tag: "opened" as const, seq: event.seq, opened: opened.success }
      })
    }
  })
})

const changesSettings = (item: LogEntry): boolean =>
  item.kind === "commit" && item.events.some((event) => event._tag === "opened" && event.opened.fact.type === "settings.changed")

type Expirations = ReadonlyArray<{ readonly conversation: string; readonly before: number; readonly purged?: ReadonlyArray<readonly [number, string | null]>; readonly seq?: number }>

const expirationsIn = (items: ReadonlyArray<LogEntry>): Expirations =>
  items.flatMap((item) => item.kind !== "commit" ? [] : item.events.flatMap((event) =>
    event._tag === "opened" && event.opened.fact.type === "conversation.expired"
      ? [{ conversation: event.opened.envelope.subject, before: event.opened.fact.data.before_seq, purged: event.opened.fact.data.purged ?? [], seq: event.seq }]
      : []))

/** What was written here stays here when hosted lets it go, and is not sent again. */
const keptHere = Effect.fnUntraced(function*(context: MirrorContext, items: ReadonlyArray<LogEntry>) {
  const out: Array<WithheldEntry> = []
  if (expirationsIn(items).length === 0 || !(yield* context.keepsOwn)) return out
  for (const { purged = [], seq = 0 } of expirationsIn(items)) {
    const held = yield* context.held(purged.flatMap(([, id]) => id === null ? [] : [id]))
    const eventIds = [...held].flatMap(([id, own]) => own ? [id] : [])
    if (eventIds.length > 0) out.push({ kind: "withheld", seq, tenant: selfTenant, eventIds, why: expiredWhy })
  }
  return out
})

/** The mirror does not follow the hub's purges by itself. */
const purgeMirror = Effect.fnUntraced(function*(context: MirrorContext, expirations: Expirations) {
  const { tenant } = context.paired()
  for (const { before, conversation } of expirations) yield* context.log.purge({ subject: subjects.logConversation(tenant, conversation), before })
})

const compare = (here: Shared, subject: string, data: unknown): Shared | undefined => {
  const there = data as Readonly<Record<string, unknown>>
  const form: { -readonly [K in keyof Shared]: Shared[K] } = {}
  for (const field of ["content", "title", "role", "message_id"] as const) {
    const value = there[field]
    if (typeof value === "string" && here[field] !== undefined && value !== here[field]) form[field] = value
  }
  if (here.conversation !== undefined && subject !== here.conversation) form.conversation = subject
  return Object.keys(form).length === 0 ? undefined : form
}

const learnClock = (context: MirrorContext, item: LogEntry): void => {
  if (item.kind === "problem") return
  for (const event of item.events) {
    const lamport = event._tag === "opened" ? event.opened.envelope.lamport : event.envelope.lamport
    if (lamport > context.clock.seen) context.clock.seen = lamport
  }
}
