import { Effect, Option, Stream } from "effect"
import { fromLog, tracesOf } from "../../projections/fromLog.ts"
import type { Projections } from "../../projections/runner.ts"
import type { EventType } from "../../streams/catalog.ts"
import type { Envelope, Opened } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { traced } from "../../streams/tracing.ts"
import type { EventLog } from "../nats/EventLog.ts"
import type { AuthorEntry } from "../security/AuthorKeys.ts"
import { AuthorKeys } from "../security/AuthorKeys.ts"
import { type ChainHead, LogReader } from "../security/LogReader.ts"
import { type LogEntry, makeJudge, readLogInTurns } from "../security/openLog.ts"

/** What this process knows of one tenant's end of the log. */
interface End {
  lastSeq: number
  /** The newest record read, whoever committed it, and its digest. */
  readSeq: number
  head: string
  lamport: number
}

/** The newest things known of each tenant's log: from reading it, and at once from this process's own commits. */
export class LogView {
  readonly #ends = new Map<string, End>()

  of(tenant: string): End {
    let end = this.#ends.get(tenant)
    if (end === undefined) this.#ends.set(tenant, end = { lastSeq: 0, readSeq: 0, head: "", lamport: 0 })
    return end
  }

  /** The greatest sequence known to be committed by any of them: their log cannot end before it. */
  greatest(tenants: ReadonlyArray<string>): number {
    return tenants.reduce((greatest, tenant) => Math.max(greatest, this.#ends.get(tenant)?.lastSeq ?? 0), 0)
  }

  /** The log these ends are of was restored or replaced: they are read again. Clocks do not go back. */
  forget(tenant: string): void {
    const { lamport } = this.of(tenant)
    this.#ends.set(tenant, { lastSeq: 0, readSeq: 0, head: "", lamport })
  }

  committed(tenant: string, lastSeq: number, lamport: number): void {
    const end = this.of(tenant)
    end.lastSeq = Math.max(end.lastSeq, lastSeq)
    end.lamport = Math.max(end.lamport, lamport)
  }

  /** The newest valid record of a tenant, as far as this process has read. */
  remember(tenant: string, seq: number, digest: string): void {
    const end = this.of(tenant)
    if (seq > end.readSeq) Object.assign(end, { readSeq: seq, head: digest })
  }

  read(item: LogEntry): void {
    if (item.kind === "problem") return
    let lamport = 0
    for (const event of item.events) {
      if (event._tag === "opened") lamport = Math.max(lamport, event.opened.envelope.lamport)
    }
    this.committed(item.tenant, item.seq, lamport)
    this.remember(item.tenant, item.seq, item.digest)
  }
}

/** Events that ingest has opened already, by id, until the projections come to them. */
export class OpenedCache {
  readonly #opened = new Map<string, Opened>()
  /** About 40 MiB of short messages: a peer's backlog, while the projections are some commits behind. */
  readonly #max = 20_000

  put(opened: Opened): void {
    this.#opened.set(opened.envelope.id, opened)
    if (this.#opened.size > this.#max) this.#opened.delete(this.#opened.keys().next().value!)
  }

  /** Only for the very envelope that was opened: the sealed data must be the same. */
  take(envelope: Envelope): Opened | undefined {
    const held = this.#opened.get(envelope.id)
    if (held === undefined) return undefined
    this.#opened.delete(envelope.id)
    return held.envelope.data === envelope.data ? held : undefined
  }
}

export interface ProjectorContext {
  readonly log: EventLog
  readonly cursor: string
  readonly projections: Projections["Service"]
  readonly view: LogView
  readonly opened: OpenedCache
  readonly hosted: AuthorEntry
  /** The one the reading began in: a log that turns meanwhile is read again from its beginning. */
  readonly epoch: string
  /** What the tables remember: chain heads and pinned keys, so that reading goes on where it stopped. */
  readonly remembered: Effect.Effect<{
    readonly heads: Iterable<readonly [string, string, ChainHead]>
    readonly keys: Iterable<readonly [string, string, AuthorEntry]>
  }>
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  /** Told of anything in the log that should not be there, or should. */
  readonly doubt: Effect.Effect<void>
  /** Told of what in the log does not hold. */
  readonly quarantined: (tenant: string, what: string, seq: number) => Effect.Effect<void>
  /** Told after the tables let go of a tenant that was erased. */
  readonly erased: (tenant: string) => Effect.Effect<void>
  /** Told after the tables hold a tenant's new settings. */
  readonly settingsChanged: (tenant: string) => Effect.Effect<void>
}

/**
 * Read the log from the tables' cursor on, verify it, and keep the tables in step with it, for ever: or until a registration
 * comes behind what its author wrote, when it has to be read from its beginning.
 * The cursor stands at the last record taken, so a commit that arrived in part is read again whole.
 */
export const project = Effect.fn("hosted.project")(function*(context: ProjectorContext) {
  const { projections } = context
  const from = (yield* projections.positions).get(context.cursor)?.seq ?? 0
  const { heads, keys } = yield* context.remembered
  const reader = new LogReader(new AuthorKeys(context.hosted, keys), heads)
  const isOwn = () => false
  let after = from
  const judge = makeJudge(reader, Effect.map(Effect.option(context.log.info), Option.match({ onNone: () => undefined, onSome: ({ lastSeq }) => lastSeq })))
  yield* context.log.read({ from: from + 1 }).pipe(
    Stream.mapEffect((batch) =>
      Effect.gen(function*() {
        const items = yield* readLogInTurns(reader, batch, { open: context.open, isOwn })
        return { isLate: reader.isLate, items: [...items, ...yield* judge(batch.at(-1)!.seq)] }
      })),
    // the next batch is verified and opened while SQLite, on its own thread, takes this one in
    Stream.buffer({ capacity: 1 }),
    Stream.tap(({ items }) => {
      for (const item of items) context.view.read(item)
      const entries = fromLog(items, { tenant: (tenant) => tenant, isOwn, shared: () => undefined })
      entries.sort((a, b) => a.seq - b.seq)
      if (entries.length === 0) return Effect.void
      const about = (type: EventType) => new Set(entries.flatMap((entry) => entry.kind === "event" && entry.opened.fact.type === type ? [entry.tenant] : []))
      const [changed, erased] = [about("settings.changed"), about("tenant.erased")]
      const damaged = items.flatMap((item) => item.kind === "problem" ? [item] : [])
      return projections.keepAbsorbing({ cursor: context.cursor, epoch: context.epoch, entries, after }).pipe(
        traced("maestra.project", () => tracesOf(entries)),
        Effect.orDie,
        // never back: behind emptied tables nothing is taken until reading begins again
        Effect.tap(({ seq }) => Effect.sync(() => { after = Math.max(after, seq) })),
        Effect.andThen(Effect.forEach(changed, context.settingsChanged, { discard: true })),
        Effect.andThen(Effect.forEach(erased, context.erased, { discard: true })),
        Effect.andThen(Effect.forEach(damaged, ({ seq, tenant, what }) => context.quarantined(tenant, what, seq), { discard: true })),
        Effect.andThen(damaged.some(({ what }) => what !== "forked") ? context.doubt : Effect.void))
    }),
    Stream.takeWhile(({ isLate }) => !isLate),
    Stream.runDrain)
})

/** The ends of the tenants' logs as the tables remember them. */
export const viewOf = Effect.fnUntraced(function*(known: Effect.Effect<{ readonly heads: Iterable<readonly [string, string, ChainHead]> }>, tenants: ReadonlyArray<string>, lamportOf: (tenant: string) => Effect.Effect<number>) {
  const view = new LogView()
  for (const tenant of tenants) view.committed(tenant, 0, yield* lamportOf(tenant))
  for (const [tenant, , head] of (yield* known).heads) {
    view.committed(tenant, head.seq, 0)
    view.remember(tenant, head.seq, head.digest)
  }
  return view
})
