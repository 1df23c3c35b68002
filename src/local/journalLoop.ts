import { Duration, Effect, Result, Schema, Stream } from "effect"
import type { Entry } from "../../projections/Entry.ts"
import type { Projections } from "../../projections/runner.ts"
import { selfTenant } from "../../streams/Backend.ts"
import { decode, interpret } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { journalCommitAuthor } from "../../streams/subjects.ts"
import { isStreamGone } from "../nats/jetStreamApi.ts"
import type { DataKeys } from "../security/envelopes.ts"
import { openFrame } from "./companionFrame.ts"
import type { LamportClock } from "./Journal.ts"
import { awaitBump, bump, type State } from "./State.ts"

export const journalCursor = "journal"

const lookEvery = Duration.seconds(2)

export interface JournalReaderContext {
  readonly state: State
  readonly journal: EventLog
  readonly projections: Projections["Service"]
  readonly clock: LamportClock
  /** Companions' events lie in the journal as they were sealed. */
  readonly dataKeys: DataKeys
}

/** Keep the tables in step with what is written here, for ever. */
export const projectJournal = Effect.fn("local.projectJournal")(function*(context: JournalReaderContext) {
  for (;;) {
    const { createdAt, from } = yield* journalPlace(context)
    let after = from - 1
    const reading = context.journal.read({ from }).pipe(
      Stream.map((batch) => {
        const read = { ...readBatch(context, batch), after }
        after = read.through
        return read
      }),
      // the next batch is read while SQLite, on its own thread, takes this one in
      Stream.buffer({ capacity: 1 }),
      Stream.runForEach((read) => take(context, createdAt, read)))
    yield* Effect.raceFirst(reading, awaitBump(context.state.reread))
  }
})

/** Somebody deleted the journal's stream under us. What was sent is in the log; what was not is gone with it. */
export class JournalGone extends Schema.TaggedError<JournalGone>()("JournalGone", { hint: Schema.String }) {}

/**
 * End when the journal is gone, or is another one than it was: nothing that was read from it counts any more. The next
 * start makes a new one, reads the log to its end and goes on from there.
 */
export const watchJournal = Effect.fn("local.watchJournal")(function*(journal: EventLog) {
  const { createdAt } = yield* journal.info
  for (;;) {
    yield* Effect.sleep(lookEvery)
    const now = yield* Effect.result(journal.info)
    if (Result.isFailure(now) ? isStreamGone(now.failure) : now.success.createdAt !== createdAt) {
      return yield* new JournalGone({ hint: "The JOURNAL stream was deleted while this backend ran. Start it again: it takes back from the log what was sent." })
    }
  }
})

/** Take in what the journal holds now, before anybody reads or writes: the clock must be above all of it. */
export const catchUpWithJournal = Effect.fnUntraced(function*(context: JournalReaderContext, told: (done: number, of: number) => Effect.Effect<void>) {
  const { createdAt, from, lastSeq } = yield* journalPlace(context)
  yield* context.journal.readRange({ from, through: lastSeq }).pipe(
    Stream.map((batch) => readBatch(context, batch)),
    Stream.buffer({ capacity: 1 }),
    Stream.runForEach((read) => take(context, createdAt, read).pipe(Effect.andThen(told(read.through, lastSeq)))))
})

/** Where to read on. A journal that is another one, or shorter than what was read, was restored: the tables start afresh. */
const journalPlace = Effect.fnUntraced(function*({ journal, projections }: JournalReaderContext): Effect.fn.Return<{ readonly createdAt: string; readonly from: number; readonly lastSeq: number }, LogUnavailable> {
  const { createdAt, lastSeq, messages } = yield* journal.info
  const held = (yield* projections.positions).get(journalCursor)
  if (held !== undefined && held.seq > 0 && (held.epoch !== createdAt || held.seq > lastSeq)) {
    yield* Effect.logWarning("the journal is not the one the tables were made from; building them again")
    yield* projections.reset.pipe(Effect.orDie)
    return { createdAt, from: 1, lastSeq }
  }
  const seq = held?.seq ?? 0
  if (messages > 0 || lastSeq <= seq) return { createdAt, from: seq + 1, lastSeq }
  // an erasure emptied it: its numbers go on, and who waits for the tables to come that far would wait for ever
  yield* projections.keepAbsorbing({ cursor: journalCursor, epoch: createdAt, entries: [], through: lastSeq }).pipe(Effect.orDie)
  return { createdAt, from: lastSeq + 1, lastSeq }
})

interface ReadBatch {
  readonly entries: ReadonlyArray<Entry>
  readonly through: number
  readonly settings: boolean
}

/** One event of the journal as the projections take it; one that cannot be read is a problem, named and kept. */
const entryOf = (context: JournalReaderContext, seq: number, opened: OpenResult, own: boolean): Entry => {
  if (Result.isFailure(opened)) {
    const parked = opened.failure._tag !== "EventMalformed"
    return { kind: "problem", log: "journal", seq, tenant: selfTenant, what: parked ? "parked" : "malformed", detail: `journal event at ${seq}: ${parked ? "newer than this program reads, or its key is not here: update this device" : "cannot be read"}` }
  }
  context.clock.seen = Math.max(context.clock.seen, opened.success.envelope.lamport)
  return { kind: "event", log: "journal", seq, tenant: selfTenant, opened: opened.success, own }
}

const readBatch = (context: JournalReaderContext, batch: ReadonlyArray<Stored>): ReadBatch => {
  const entries = batch.flatMap((stored): ReadonlyArray<Entry> => {
    if (journalCommitAuthor(stored.subject) !== undefined) return openFrame(stored.data, context.dataKeys).map((opened) => entryOf(context, stored.seq, opened, false))
    const envelope = decode(stored.data)
    const opened = Result.flatMap(envelope, (plain) => interpret(plain, plain.data))
    return [entryOf(context, stored.seq, opened, true)]
  })
  const settings = entries.some((entry) => entry.kind === "event" && entry.opened.fact.type === "settings.changed")
  return { entries, through: batch.at(-1)?.seq ?? 0, settings }
}

const take = Effect.fnUntraced(function*(context: JournalReaderContext, epoch: string, { after, entries, settings, through }: ReadBatch & { readonly after?: number }) {
  yield* context.projections.keepAbsorbing({ cursor: journalCursor, epoch, entries, through, ...(after === undefined ? {} : { after }) }).pipe(Effect.orDie)
  if (settings) yield* bump(context.state.settingsSeen)
})
