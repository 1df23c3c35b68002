import { Context, Effect, Layer, Schedule, Schema, Semaphore, Stream, SubscriptionRef } from "effect"
import { noted } from "../streams/tracing.ts"
import { count, timed } from "../streams/metrics.ts"
import type { Entry } from "./Entry.ts"
import { enter, forgetEvents, internTenants, ledgerTables } from "./ledger.ts"
import type { Projection } from "./Projection.ts"
import { Sqlite, type Transaction } from "./Sqlite.ts"
import { SqliteFailed } from "./SqliteFailed.ts"

/** A named place in an input. `epoch` says which history the number counts in: a restored log is another one. */
export interface Position {
  readonly seq: number
  readonly epoch: string
}
export type Positions = ReadonlyMap<string, Position>

/**
 * What was offered counts in another history than what the tables hold: the log or the journal was replaced.
 * Nothing was taken. Call `reset` and read both inputs from their beginnings.
 */
export class EpochChanged extends Schema.TaggedError<EpochChanged>()("EpochChanged", {
  cursor: Schema.String,
  held: Schema.String,
  offered: Schema.String,
  hint: Schema.String
}) {}

export interface Offer {
  /** Whose position moves: `journal`, `log`, or one per partition of the log. */
  readonly cursor: string
  readonly epoch: string
  /** In order of `seq`. Entries of one `seq` come in one offer. A thousand or so: they are held in memory. */
  readonly entries: ReadonlyArray<Entry>
  /**
   * Where the reader was before these. Where the tables are not that far, because somebody emptied them meanwhile, nothing
   * is taken: the cursor would jump over what is missing. Whoever empties them has the reader begin again.
   */
  readonly after?: number
  /** Where the reader has come to, when the last messages read say nothing to projections. */
  readonly through?: number
}

/**
 * Takes what is read from logs into every projection's tables.
 *
 * A batch and the cursor's new position are one transaction: a crash leaves both or neither, and a batch offered
 * again has no effect. Inputs may be read in any order, one at a time or together; the tables come out the same.
 */
export class Projections extends Context.Service<Projections, {
  /** The file was made by another version of the tables (or was not there): read both inputs from the beginning. */
  readonly rebuildNeeded: boolean
  readonly positions: Effect.Effect<Positions>
  readonly absorb: (offer: Offer) => Effect.Effect<Position, SqliteFailed | EpochChanged>
  /** The same, tried again every second while the disk is full: whoever keeps tables in step with a log waits for room. */
  readonly keepAbsorbing: (offer: Offer) => Effect.Effect<Position, SqliteFailed | EpochChanged>
  /** Wait until a cursor has come to `seq`: how a writer reads its own write. Without end; bound it with a timeout. */
  readonly reached: (cursor: string, seq: number) => Effect.Effect<void>
  /**
   * The same, or until the tables take nothing for want of disk: reading goes on then, and shows what they hold.
   * `keepAbsorbing` and `newEpoch` try again until there is room; nothing is lost.
   */
  readonly settled: (cursor: string, seq: number) => Effect.Effect<void>
  /** Every position as it moves, the present one first. */
  readonly changes: Stream.Stream<Positions>
  /**
   * The log is another history of the same events (it was lost, or restored from an older copy): its places count
   * no longer, and reading begins at its beginning. What was read stays on show, and is recognised when it comes again.
   * Where the log has several partitions, `tenants` says who lives in the one this cursor reads; all without it.
   */
  readonly newEpoch: (cursor: string, epoch: string, tenants?: ReadonlyArray<string>) => Effect.Effect<void, SqliteFailed>
  /** An input that is counted and never merged was made anew: it is read from its beginning; what the tables hold stays. */
  readonly newInput: (cursor: string, epoch: string) => Effect.Effect<void, SqliteFailed>
  /** Empty all tables and cursors. Safe at any time: everything comes back by reading the inputs again. */
  readonly reset: Effect.Effect<void, SqliteFailed>
}>()("projections/Projections") {
  static readonly layer = (projections: ReadonlyArray<Projection>) => Layer.effect(Projections, make(projections))
}

const make = Effect.fnUntraced(function*(projections: ReadonlyArray<Projection>) {
  const sqlite = yield* Sqlite
  const rebuildNeeded = yield* sqlite.transaction((tx) => prepare(tx, projections))
  const positions = yield* SubscriptionRef.make<Positions>(yield* sqlite.transaction(readPositions))
  const turn = yield* Semaphore.make(1)
  /** Change the tables, then say where they stand: one at a time, so that what `positions` says is what they hold. */
  const move = <A, E>(body: (tx: Transaction, held: Positions) => Effect.Effect<A, E>, next: (held: Positions, moved: A) => Positions) =>
    turn.withPermits(1)(Effect.uninterruptibleMask((interruptible) =>
      Effect.tap(
        interruptible(sqlite.transaction((tx) => body(tx, SubscriptionRef.getUnsafe(positions)))),
        (moved) => SubscriptionRef.update(positions, (held) => next(held, moved)))))
  const full = yield* SubscriptionRef.make(false)
  const onceThereIsRoom = <A, E>(attempt: Effect.Effect<A, E | SqliteFailed>): Effect.Effect<A, E | SqliteFailed> =>
    attempt.pipe(
      Effect.tap(() => SubscriptionRef.getUnsafe(full) ? Effect.andThen(Effect.logInfo("the tables take events again"), SubscriptionRef.set(full, false)) : Effect.void),
      Effect.tapError((error) =>
        !isOutOfRoom(error) || SubscriptionRef.getUnsafe(full)
          ? Effect.void
          : Effect.andThen(Effect.logError("the disk is full: the tables fall behind the logs until there is room"), SubscriptionRef.set(full, true))),
      Effect.retry({ schedule: roomRetries, while: isOutOfRoom }))
  const take = (offer: Offer) =>
    timed("maestra_projection_duration_seconds", { input: offer.cursor })(move((tx, held) => absorb(tx, projections, held.get(offer.cursor), offer), (held, position) => new Map(held).set(offer.cursor, position))).pipe(
      Effect.tap(() => noted(`${offer.cursor} into the tables`, () => offer.entries.flatMap((entry) => entry.kind === "event" ? [entry.opened.envelope.id] : entry.kind === "echo" ? [entry.eventId] : []))),
      Effect.tap(() => Effect.sync(() => count("maestra_projected_entries_total", { input: offer.cursor }, offer.entries.length))))
  const outOfRoom = SubscriptionRef.changes(full).pipe(Stream.filter((is) => is), Stream.runHead, Effect.asVoid)
  const has = (cursor: string, seq: number) => (held: Positions) => (held.get(cursor)?.seq ?? 0) >= seq
  const reached = (cursor: string, seq: number) => SubscriptionRef.changes(positions).pipe(Stream.filter(has(cursor, seq)), Stream.runHead, Effect.asVoid)
  const unless = (cursor: string, seq: number, wait: Effect.Effect<void>) => Effect.suspend(() => has(cursor, seq)(SubscriptionRef.getUnsafe(positions)) ? Effect.void : wait)
  return Projections.of({
    rebuildNeeded,
    positions: SubscriptionRef.get(positions),
    changes: SubscriptionRef.changes(positions),
    absorb: take,
    keepAbsorbing: (offer) => onceThereIsRoom(take(offer)),
    reached: (cursor, seq) => unless(cursor, seq, reached(cursor, seq)),
    settled: (cursor, seq) => unless(cursor, seq, Effect.raceFirst(reached(cursor, seq), outOfRoom)),
    newEpoch: (cursor, epoch, tenants) =>
      onceThereIsRoom(move((tx) => forgetPlaces(tx, cursor, epoch, tenants), (held) => new Map(held).set(cursor, { seq: 0, epoch }))),
    newInput: (cursor, epoch) =>
      onceThereIsRoom(move((tx) => tx.run(startOver, cursor, epoch), (held) => new Map(held).set(cursor, { seq: 0, epoch }))),
    reset: move((tx) => Effect.andThen(dropAll(tx), create(tx, projections)), () => new Map())
  })
})

const roomRetries = Schedule.spaced("1 second")
const isOutOfRoom = (error: unknown): boolean => error instanceof SqliteFailed && error.reason === "disk full"

const absorb = Effect.fnUntraced(function*(tx: Transaction, projections: ReadonlyArray<Projection>, held: Position | undefined, offer: Offer) {
  if (held !== undefined && held.seq > 0 && held.epoch !== offer.epoch) {
    return yield* new EpochChanged({
      cursor: offer.cursor,
      held: held.epoch,
      offered: offer.epoch,
      hint: "The log was restored or replaced. The projections are rebuilt from the beginning: `maestra rebuild`."
    })
  }
  const from = held?.seq ?? 0
  if (from < (offer.after ?? 0)) return held ?? { seq: 0, epoch: offer.epoch }
  // what is missing is told once the log was read further, at the place of the record that lacks it; told twice, it is kept once
  const fresh = offer.entries.filter((entry) => entry.kind === "problem" || entry.seq > from)
  for (const part of cutAtErasures(fresh)) yield* absorbPart(tx, projections, part)
  const seq = Math.max(from, offer.through ?? 0, fresh[fresh.length - 1]?.seq ?? 0)
  const position: Position = { seq, epoch: offer.epoch }
  tx.put(
    "insert into cursor values (?, ?, ?) on conflict do update set seq = excluded.seq, epoch = excluded.epoch",
    offer.cursor,
    position.seq,
    position.epoch
  )
  return position
})

const absorbPart = Effect.fnUntraced(function*(
  tx: Transaction,
  projections: ReadonlyArray<Projection>,
  entries: ReadonlyArray<Entry>
) {
  const first = entries[0]!
  if (isErasure(first)) {
    const tenant = (yield* internTenants(tx, entries)).get(first.tenant)!
    for (const projection of projections) yield* projection.forget(tx, tenant)
    yield* forgetEvents(tx, tenant)
  }
  const batch = yield* enter(tx, entries)
  for (const projection of projections) yield* projection.absorb(tx, batch)
})

const isErasure = (entry: Entry): boolean => entry.kind === "event" && entry.opened.fact.type === "tenant.erased"

/** An erasure begins a part of its own: what came before it goes, what comes after it stays. */
const cutAtErasures = (entries: ReadonlyArray<Entry>): ReadonlyArray<ReadonlyArray<Entry>> => {
  const parts: Array<ReadonlyArray<Entry>> = []
  let from = 0
  entries.forEach((entry, i) => {
    if (i > from && isErasure(entry)) {
      parts.push(entries.slice(from, i))
      from = i
    }
  })
  if (from < entries.length) parts.push(entries.slice(from))
  return parts
}

const forgetPlaces = Effect.fnUntraced(function*(tx: Transaction, cursor: string, epoch: string, tenants: ReadonlyArray<string> | undefined) {
  const [among, names] = tenants === undefined ? ["true", []] as const : ["tenant in (select id from tenant where name in (select value from json_each(?)))", [JSON.stringify(tenants)]] as const
  yield* tx.run(`update event set seq = null where seq is not null and ${among}`, ...names)
  yield* tx.run(`update early set seq = null where seq is not null and ${among}`, ...names)
  yield* tx.run(`delete from chain_head where ${among}`, ...names)
  // what was wrong there lay at places of that history; what still is will be found again
  yield* tx.run(`delete from problem where journal = 0 and ${among}`, ...names)
  yield* tx.run(startOver, cursor, epoch)
})

const startOver = "insert into cursor values (?, 0, ?) on conflict do update set seq = 0, epoch = excluded.epoch"

const readPositions = (tx: Transaction) =>
  Effect.map(
    tx.all<{ name: string; seq: number; epoch: string }>("select name, seq, epoch from cursor"),
    (rows): Positions => new Map(rows.map(({ epoch, name, seq }) => [name, { seq, epoch }] as const))
  )

/** The runner's own tables count as a projection: they too have a shape. */
const ownShape = { name: "ledger", shape: 3 }

/** Make the tables, or keep them if every shape is the one this build writes. Returns whether they were made. */
const prepare = Effect.fnUntraced(function*(tx: Transaction, projections: ReadonlyArray<Projection>) {
  yield* tx.run("create table if not exists shape (name text primary key, shape integer not null) strict, without rowid")
  const held = new Map((yield* tx.all<{ name: string; shape: number }>("select name, shape from shape")).map((r) => [r.name, r.shape] as const))
  const wanted = [ownShape, ...projections]
  if (held.size === wanted.length && wanted.every(({ name, shape }) => held.get(name) === shape)) return false
  yield* dropAll(tx)
  yield* create(tx, projections)
  return true
})

const create = Effect.fnUntraced(function*(tx: Transaction, projections: ReadonlyArray<Projection>) {
  yield* tx.run("create table shape (name text primary key, shape integer not null) strict, without rowid")
  yield* tx.run("create table cursor (name text primary key, seq integer not null, epoch text not null) strict, without rowid")
  for (const statement of ledgerTables) yield* tx.run(statement)
  for (const { ddl } of projections) for (const statement of ddl) yield* tx.run(statement)
  for (const { name, shape } of [ownShape, ...projections]) yield* tx.run("insert into shape values (?, ?)", name, shape)
})

const dropAll = Effect.fnUntraced(function*(tx: Transaction) {
  tx.memory.clear()
  // an index's own tables (`shadow`) go with it
  const made = yield* tx.all<{ name: string; type: string }>("select name, type from pragma_table_list where schema = 'main' and type <> 'shadow' and name not like 'sqlite_%' order by type = 'virtual' desc")
  for (const { name, type } of made) yield* tx.run(`drop ${type === "view" ? "view" : "table"} "${name.replaceAll("\"", "\"\"")}"`)
})

