import { Clock, Duration, Effect, Fiber, Option, Queue, Random, Result, type Scope, Stream } from "effect"
import { v7 as uuidV7 } from "uuid"
import type { CommitRecord } from "../../streams/CommitRecord.ts"
import { commitEventsMax } from "../../streams/limits.ts"
import { isoTime } from "../../streams/time.ts"
import { noted, type Traced, traced } from "../../streams/tracing.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import type { NoResponders, RequestTimedOut } from "../nats/Connection.ts"
import type { Cursor, EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import type { Identity } from "../../streams/events/peer.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { frame, idsDigest, parseCommit, verifyCommit } from "../security/commit.ts"
import { digestOf } from "../security/digest.ts"
import { type Action, onVerdict } from "./onVerdict.ts"
import { type Pending, pendingOf, prepare, type PrepareContext, type Prepared } from "./prepare.ts"
import { type Reconciliation, reconcile, type RemoteHead } from "./reconcile.ts"

/** Why a session ended. The caller acts, then runs the next one. */
export type SessionEnd =
  | { readonly _tag: "reconcile"; readonly head: RemoteHead | undefined }
  | { readonly _tag: "renew" }
  | { readonly _tag: "regate"; readonly settingsSeq: number }
  | { readonly _tag: "stopped"; readonly why: string }
  | { readonly _tag: "needsYou"; readonly needs: string; readonly revoked?: true }
  /** Somebody else writes in our name. */
  | { readonly _tag: "twin" }
  | { readonly _tag: "logChanged"; readonly id: string; readonly epoch: number }

export interface RelayContext {
  readonly journal: EventLog
  readonly cursor: Cursor
  readonly author: string
  readonly identity: Signer
  /** `mayAgain`: whether it may still leave, where one request was not heard and another is made. */
  readonly ask: (commit: Uint8Array, mayAgain: () => boolean) => Effect.Effect<Verdict, NoResponders | RequestTimedOut>
  /** Completes when the link comes back: a pause between tries ends at once. */
  readonly linkReturned: Effect.Effect<void>
  readonly log: () => { readonly id: string; readonly epoch: number }
  /** What the gate needs, as of now; and the view of the log that goes into the record. */
  readonly gateContext: (eventIds: ReadonlyArray<string>) => Effect.Effect<PrepareContext>
  readonly seen: () => { readonly log_seq: number; readonly head: string }
  /** Another one whenever the settings here may have changed: what was gated before that is gated again, not sent. */
  readonly settingsMark: () => string
  /** Durable over there. Told before the cursor moves. */
  readonly committed: (commit: Prepared, logSeq: number) => Effect.Effect<void>
  /**
   * About to leave. Told before the request: the echo may be faster than the answer, and what stays here must be noted
   * before the chain passes it, because a crash right after would forget it.
   */
  readonly sending: (commit: Prepared) => Effect.Effect<void>
  readonly setAside: (eventId: string, why: string) => Effect.Effect<void>
  readonly retried: (verdict: string) => void
  /** Send a companion's commit on, as it is, and see to what becomes of it. Returns once the journal may go on. */
  readonly relayCompanion: (framed: Uint8Array, seq: number) => Effect.Effect<SessionEnd | { readonly _tag: "done" }>
}

/** Batches read ahead of the commit being made; with 2,000 events each, enough to fill the next two commits. */
const readAhead = 3
/** 1 s, 2 s, 4 s, 8 s, 16 s, then every 30 s, each spread by ±20 %, without end: being offline is normal. */
const pauseFirst = Duration.seconds(1)
const pauseMax = Duration.seconds(30)
export const pauseAfter = (tries: number, chance: number): Duration.Duration =>
  Duration.millis(Math.min(Duration.toMillis(pauseMax), tries >= 5 ? Infinity : Duration.toMillis(pauseFirst) * 2 ** tries) * (0.8 + 0.4 * chance))

interface Signed {
  readonly content: Prepared
  readonly framed: Uint8Array
  readonly digest: string
  /** The settings it was gated by. */
  readonly settings: string
  readonly traces: ReadonlyArray<Traced>
}

interface Gated {
  readonly traces: ReadonlyArray<Traced>
  readonly seen: CommitRecord["seen"]
  readonly settings: string
}

/** Where our chain stands: the last record's digest and the journal sequence it reached. */
export interface ChainPosition {
  readonly journal: string
  readonly prev: string
  readonly to: number
  /** Ids of what lies behind `to` and is not ours: our next record covers their sequences too. */
  readonly passed?: ReadonlyArray<string>
}

/**
 * Send what the journal holds behind `start`, commit after commit, until something needs the caller.
 *
 * One commit is in flight at a time, because each names the one before it. Alone, an event goes at once;
 * while a commit is in flight the next one fills; a full one is signed meanwhile.
 */
export const relaySession = Effect.fnUntraced(function*(context: RelayContext, start: ChainPosition): Effect.fn.Return<SessionEnd, LogUnavailable, Scope.Scope> {
  const batches = yield* Queue.bounded<ReadonlyArray<Stored>>(readAhead)
  // a cursor that was lost stands at the beginning until it is moved: what the chain covers is not taken again
  const behindStart = (batch: ReadonlyArray<Stored>) => batch[0]!.seq > start.to ? batch : batch.filter(({ seq }) => seq > start.to)
  const reader = yield* context.cursor.read.pipe(
    Stream.map(behindStart),
    Stream.filter((batch) => batch.length > 0),
    Stream.runForEach((batch) => Queue.offer(batches, batch)),
    Effect.forkScoped)
  const failed = Fiber.join(reader).pipe(Effect.andThen(Effect.never))
  return yield* Effect.raceFirst(loop(context, start, batches), failed)
}, Effect.scoped)

const loop = Effect.fnUntraced(function*(context: RelayContext, start: ChainPosition, batches: Queue.Queue<ReadonlyArray<Stored>>) {
  let pending: ReadonlyArray<Pending> = []
  let position = start

  const more = Effect.gen(function*() {
    const size = yield* Queue.size(batches)
    if (pending.length >= commitEventsMax || (pending.length > 0 && size === 0)) return
    const arrived = yield* Queue.takeAll(batches)
    pending = pending.concat(...arrived.map((batch) => batch.map(pendingOf)))
  })

  const make = Effect.fnUntraced(function*(after: ChainPosition) {
    // no further than the gate was asked about: what lies behind might be in the log already. And no further than a
    // companion's commit, which goes alone
    const foreign = pending.findIndex(({ framed }) => framed !== undefined)
    const next = pending.slice(0, foreign === -1 ? commitEventsMax : Math.min(foreign, commitEventsMax))
    // what the gate is about to know, not what came meanwhile
    const gated = { seen: context.seen(), settings: context.settingsMark(), traces: tracesOf(next) }
    const prepared = prepare(next, yield* context.gateContext(next.map(({ id }) => id)))
    if (prepared._tag === "stopped") return prepared
    pending = pending.slice(prepared.taken)
    return yield* signed(context, prepared.commit, after, gated)
  })

  let next: Signed | undefined
  for (;;) {
    if (next === undefined) {
      yield* more
      const [first] = pending
      if (first?.framed !== undefined) {
        const end = yield* context.relayCompanion(first.framed, first.seq)
        if (end._tag !== "done") return end
        yield* context.cursor.ack(first.seq)
        pending = pending.slice(1)
        position = { ...position, passed: [...position.passed ?? [], first.id] }
        continue
      }
      const made = yield* make(position)
      if ("_tag" in made) return { _tag: "stopped", why: made.why } satisfies SessionEnd
      next = made
    }
    const current: Signed = next
    const after = { journal: position.journal, prev: current.digest, to: current.content.to }
    const sending = yield* Effect.forkChild(send(context, current).pipe(traced("maestra.relay", () => current.traces)), { startImmediately: true })
    next = undefined
    if ((yield* Queue.size(batches)) > 0) yield* more
    if (pending.length >= commitEventsMax && pending[0]?.framed === undefined) {
      const made = yield* make(after)
      if (!("_tag" in made)) next = made
    }
    const outcome = yield* Fiber.join(sending)
    if (outcome._tag !== "advance") return outcome
    yield* context.committed(current.content, outcome.logSeq)
    yield* context.cursor.ack(current.content.to)
    position = after
  }
})

const tracesOf = (pending: ReadonlyArray<Pending>): ReadonlyArray<Traced> =>
  pending.flatMap(({ envelope }) => Result.isSuccess(envelope) && envelope.success.traceparent !== undefined ? [envelope.success] : [])

const signed = Effect.fnUntraced(function*(context: RelayContext, content: Prepared, after: ChainPosition, gated: Gated) {
  const record = yield* context.identity.signCommit({
    author: context.author,
    sync_id: uuidV7(),
    journal: after.journal,
    from: after.to + 1,
    to: content.to,
    ids: idsDigest([...after.passed ?? [], ...content.ids]),
    hashes: content.hashes,
    prev: after.prev,
    seen: gated.seen,
    time: isoTime(yield* Clock.currentTimeMillis)
  })
  return { content, framed: frame(record, content.events), digest: digestOf(record), settings: gated.settings, traces: gated.traces } satisfies Signed
})

/** Ask until there is a verdict that is not "later". */
const send = Effect.fnUntraced(function*(context: RelayContext, commit: Signed): Effect.fn.Return<SessionEnd | Extract<Action, { _tag: "advance" }>> {
  yield* context.sending(commit.content)
  yield* noted("sending", () => commit.content.sent)
  for (let tries = 0;; tries++) {
    // offline for a day, say, with a commit in flight: what a person forbade meanwhile must not leave when the link is back
    const mayLeave = () => context.settingsMark() === commit.settings
    if (!mayLeave()) return { _tag: "regate", settingsSeq: 0 }
    const answer = yield* Effect.result(context.ask(commit.framed, mayLeave))
    if (Result.isFailure(answer)) {
      context.retried(answer.failure._tag)
      yield* pause(context, tries)
      continue
    }
    const verdict = answer.success
    const { epoch, id } = context.log()
    if (verdict.log_id !== id || verdict.log_epoch !== epoch) return { _tag: "logChanged", id: verdict.log_id, epoch: verdict.log_epoch }
    const action = onVerdict(verdict)
    switch (action._tag) {
      case "advance":
        return action
      case "retry":
        context.retried(verdict.verdict)
        yield* pause(context, tries)
        continue
      case "wait":
        context.retried(verdict.verdict)
        yield* Effect.sleep(Duration.millis(action.millis))
        continue
      case "reconcile":
        return readHead(action.head, context.identity.identity)
      case "setAside":
        yield* context.setAside(action.eventId, action.why)
        return { _tag: "regate", settingsSeq: 0 }
      case "stop":
        return { ...action, _tag: "needsYou" }
      case "renew":
      case "regate":
        return action
    }
  }
})

/** The head a mismatch came with, as the next step. */
export const readHead = (head: string | null, own: Identity): SessionEnd => {
  if (head === null) return { _tag: "reconcile", head: undefined }
  const parsed = parseHead(head, own)
  return Result.isFailure(parsed) ? { _tag: "needsYou", needs: parsed.failure } : { _tag: "reconcile", head: parsed.success }
}

const pause = (context: RelayContext, tries: number) =>
  Effect.gen(function*() {
    const wait = Effect.sleep(pauseAfter(tries, yield* Random.next))
    yield* Effect.raceFirst(wait, context.linkReturned)
  })

/** The head as hosted sent it: our own last record, as the log holds it. Nobody else can have signed it. */
const parseHead = (text: string, own: Identity): Result.Result<RemoteHead, string> => {
  const parsed = parseCommit(new TextEncoder().encode(text))
  if (Result.isFailure(parsed)) return Result.fail("the hosted side shows a last commit of this machine that cannot be read")
  const { digest, record } = parsed.success
  return keysOfIdentity(own).some(({ publicKey }) => verifyCommit(parsed.success, publicKey))
    ? Result.succeed({ digest, journal: record.journal, from: record.from, to: record.to, ids: record.ids })
    : Result.fail("the hosted side shows a last commit in this machine's name that this machine did not sign")
}

/** Compare the log's head with our journal: read the range it names and hash the ids again. */
export const reconcileWith = Effect.fnUntraced(function*(
  journal: EventLog,
  head: RemoteHead | undefined,
  own: { readonly journal: string; readonly openedHere: boolean; readonly everOpened: ReadonlySet<string> }
): Effect.fn.Return<Reconciliation, LogUnavailable> {
  const { lastSeq } = yield* journal.info
  const comparable = head !== undefined && head.journal === own.journal && head.to <= lastSeq
  const idsOfHead = comparable ? Option.some(yield* idsBetween(journal, head.from, head.to)) : Option.none<string>()
  return reconcile(head, { ...own, lastSeq, idsOfHead: Option.getOrUndefined(idsOfHead) })
})

const idsBetween = (journal: EventLog, from: number, through: number) =>
  journal.readRange({ from, through }).pipe(
    Stream.runFold((): Array<string> => [], (ids, batch) => {
      for (const stored of batch) ids.push(pendingOf(stored).id)
      return ids
    }),
    Effect.map(idsDigest))
