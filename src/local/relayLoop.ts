import { Clock, Duration, Effect, Option, Random, Result, Schema, SubscriptionRef } from "effect"
import { v7 as uuidV7 } from "uuid"
import { genesis } from "../../streams/CommitRecord.ts"
import type { Settings } from "../../streams/events/settings.ts"
import { subjects } from "../../streams/subjects.ts"
import { HeadAnswer, Verdict } from "../../streams/Verdict.ts"
import type { Connection } from "../nats/Connection.ts"
import type { Cursor, EventLog, LogUnavailable } from "../nats/EventLog.ts"
import type { BackendIdentity } from "../security/BackendIdentity.ts"
import { sharedId } from "../security/sharedId.ts"
import { askToCommit } from "./askToCommit.ts"
import { forwardCompanions, relayCompanion } from "./companionRelay.ts"
import type { CompanionStore } from "./companions.ts"
import type { Journal } from "./Journal.ts"
import { epochOf } from "./mirrorLoop.ts"
import { onVerdict } from "./onVerdict.ts"
import type { PairedWith, PairingSecrets } from "./Pairing.ts"
import { pauseAfter, readHead, reconcileWith, relaySession, type RelayContext, type SessionEnd } from "./Relay.ts"
import { awaitBump, awaitRef, type Heard, linkUp, needPerson, note, type State } from "./State.ts"
import { isThrownOut, stopAsTwin, type TwinContext } from "./twins.ts"

export interface LinkedContext extends TwinContext {
  readonly connection: Connection
  readonly journalLog: EventLog
  readonly cursor: Cursor
  readonly journal: Journal
  readonly companions: CompanionStore
  readonly self: BackendIdentity["Service"]
  readonly paired: () => PairedWith
  readonly secrets: () => PairingSecrets
  readonly settings: Effect.Effect<Settings>
  /** Which of these events the log holds already, and which were set aside: they are not sent again. */
  readonly known: (eventIds: ReadonlyArray<string>) => Effect.Effect<(eventId: string) => string | undefined>
  readonly withhold: (eventIds: ReadonlyArray<string>, why: string) => Effect.Effect<void>
  /** How far the tables have read the log, and the last valid record there. */
  readonly seen: () => { readonly log_seq: number; readonly head: string }
  /** The hosted side said how far the peers are. */
  readonly heardPositions: (positions: Heard["positions"]) => Effect.Effect<void>
  readonly mirrorReached: (seq: number) => Effect.Effect<void>
  /** What the mirror holds, until the hosted side has compared it with the log since this process started. */
  readonly mirrorUnchecked: Effect.Effect<{ readonly last_seq: number; readonly messages: number } | undefined, LogUnavailable>
  /** One that is whole as far as it goes is asked about again until it has come to the log's end. */
  readonly mirrorChecked: (whole: boolean, caughtUp: boolean) => Effect.Effect<void>
  /** Something shows that this data directory was restored or copied: compare the mirror once more. */
  readonly mirrorDoubted: () => void
  /** The tables count places in the epoch of the pairing: what they say is in the log is in that log. */
  readonly tablesInEpoch: Effect.Effect<void>
  /** The log over there is in another epoch, or is another log. */
  readonly logChanged: (id: string, epoch: number) => Effect.Effect<void>
  /** Whether it was renewed. */
  readonly renew: Effect.Effect<boolean>
  /** Journal ids: the present one, all of them, and opening a new one. */
  readonly journals: { readonly current: () => string; readonly all: () => ReadonlySet<string>; readonly openedHere: () => boolean; readonly open: (id: string) => Effect.Effect<void>; readonly forgive: () => void }
}

/** After a renewal that did not come about: hosted is away, or a clock is wrong. */
const renewPause = Duration.seconds(2)
const headPatience = Duration.seconds(5)
/** Long enough for any mirror that moves at all; the watchdog sees to one that does not. */
const mirrorPatience = Duration.seconds(60)

const decodeHead = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([HeadAnswer, Verdict])))
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Ask how far the log is, saying how far we are. An answer that is no answer counts as none. */
export const askHead = Effect.fnUntraced(function*(context: LinkedContext) {
  const { peer_id, tenant, log_epoch } = context.paired()
  const mirror = yield* context.mirrorUnchecked
  const request = {
    ...(mirror === undefined ? {} : { mirror }),
    log_epoch,
    mirror_seq: context.seen().log_seq,
    journal: context.journals.current(),
    journal_seq: context.journal.acknowledged()
  }
  const bytes = yield* context.connection.request(subjects.ingest(tenant, peer_id, "head"), encoder.encode(JSON.stringify(request)), headPatience)
  const answer = decodeHead(decoder.decode(bytes))
  if (Result.isFailure(answer)) return undefined
  // places of another epoch say nothing about ours
  if (answer.success.verdict === "head" && answer.success.log_epoch === log_epoch) {
    const positions = answer.success.positions ?? []
    yield* context.heardPositions(positions)
    yield* SubscriptionRef.set(context.state.heard, { at: yield* Clock.currentTimeMillis, tenantLastSeq: answer.success.tenant_last_seq, positions })
    if (mirror !== undefined && answer.success.mirror_whole !== undefined) {
      yield* context.mirrorChecked(answer.success.mirror_whole, mirror.last_seq >= answer.success.tenant_last_seq)
    }
  }
  return answer.success
})

/** Ask, and notice a restored log even where nothing waits to be sent. */
export const lookAround = Effect.fnUntraced(function*(context: LinkedContext) {
  const answer = yield* askHead(context)
  if (answer === undefined) return
  const { log_epoch, log_id } = context.paired()
  if (answer.log_id !== log_id || answer.log_epoch !== log_epoch) yield* context.logChanged(answer.log_id, answer.log_epoch)
})

const headEvery = Duration.seconds(10)
/** Sooner when the mirror moved, since others wait to hear that a write is everywhere; but no more often than this. */
const reportEvery = Duration.seconds(1)

/** Say how far we are and hear how far the log is, for ever, whenever the link is up. */
export const keepReporting = Effect.fn("local.report")(function*(context: LinkedContext): Effect.fn.Return<never> {
  let reported = -1
  for (let sinceMillis = Infinity;; sinceMillis += Duration.toMillis(reportEvery)) {
    const { log_seq } = context.seen()
    const behind = (SubscriptionRef.getUnsafe(context.state.heard)?.tenantLastSeq ?? 0) > log_seq
    if (linkUp(context.state) && (behind || log_seq !== reported || sinceMillis >= Duration.toMillis(headEvery))) {
      reported = log_seq
      sinceMillis = 0
      yield* Effect.ignore(lookAround(context))
    }
    yield* Effect.sleep(reportEvery)
  }
})

/** Send what the journal holds, for ever: compare heads, run a session, act on how it ended. */
export const runRelay = Effect.fn("local.relay")(function*(context: LinkedContext) {
  const { state } = context
  let end: SessionEnd | undefined
  for (let tries = 0;;) {
    yield* awaitRef(state.needs, (needs) => needs === undefined)
    yield* awaitRef(state.paused, (paused) => !paused)
    yield* awaitRef(state.link, ({ up }) => up)
    const again = awaitBump(state.relayWanted).pipe(Effect.as<SessionEnd | undefined>(undefined))
    const before = SubscriptionRef.getUnsafe(state.relayed).to
    const result = yield* Effect.result(Effect.raceFirst(step(context, end), again))
    end = undefined
    if (Result.isFailure(result)) {
      note(state, yield* Clock.currentTimeMillis, `relay: ${result.failure._tag}`)
      yield* linkReturns(state).pipe(Effect.timeoutOption(pauseAfter(tries++, yield* Random.next)))
      continue
    }
    if (SubscriptionRef.getUnsafe(state.relayed).to > before) tries = 0
    end = yield* act(context, result.success)
  }
})

const linkReturns = (state: State) =>
  linkUp(state) ? awaitRef(state.link, ({ up }) => !up).pipe(Effect.andThen(awaitRef(state.link, ({ up }) => up))) : awaitRef(state.link, ({ up }) => up)

/** One comparison of heads and the session on top of it. */
const step = Effect.fnUntraced(function*(context: LinkedContext, carried: SessionEnd | undefined) {
  const end = carried?._tag === "reconcile" ? carried : yield* compareHeads(context)
  if (end._tag !== "reconcile") return end
  const decision = yield* reconcileWith(context.journalLog, end.head, {
    journal: context.journals.current(),
    openedHere: context.journals.openedHere(),
    everOpened: context.journals.all()
  })
  switch (decision._tag) {
    case "twin":
      if (isThrownOut(context.state, yield* Clock.currentTimeMillis)) return yield* reopen(context, end.head?.digest ?? genesis, anotherJournal)
      return { _tag: "twin" } satisfies SessionEnd
    case "reopen":
      return yield* reopen(context, decision.prev, anotherJournal)
    case "continue": {
      const epoch = epochOf(context.paired())
      if (SubscriptionRef.getUnsafe(context.state.lackedIn) === epoch) return yield* reopen(context, decision.prev, undefined)
      yield* context.tablesInEpoch
      yield* SubscriptionRef.set(context.state.shared, { epoch, to: decision.to })
      if ((yield* context.cursor.position) !== decision.to) yield* context.cursor.moveTo(decision.to)
      if (decision.to > SubscriptionRef.getUnsafe(context.state.relayed).to) {
        // committed without our hearing of it: where it lies in the log is at or before the tenant's end as it is now
        yield* Effect.ignore(askHead(context))
        const logSeq = SubscriptionRef.getUnsafe(context.state.heard)?.tenantLastSeq ?? 0
        yield* SubscriptionRef.update(context.state.relayed, (held) => ({ ...held, to: decision.to, logSeq: Math.max(held.logSeq, logSeq) }))
      } else yield* SubscriptionRef.update(context.state.relayed, (held) => ({ ...held, to: decision.to }))
      return yield* relaySession(relayContext(context), { journal: context.journals.current(), prev: decision.prev, to: decision.to })
    }
  }
})

const compareHeads = Effect.fnUntraced(function*(context: LinkedContext): Effect.fn.Return<SessionEnd, Effect.Error<ReturnType<typeof askHead>>> {
  const answer = yield* askHead(context)
  if (answer === undefined) return { _tag: "needsYou", needs: "the hosted side's answers cannot be read; update this machine or the hosted side" }
  const { log_epoch, log_id } = context.paired()
  if (answer.log_id !== log_id || answer.log_epoch !== log_epoch) return { _tag: "logChanged", id: answer.log_id, epoch: answer.log_epoch }
  if (answer.verdict === "head") return readHead(answer.head, context.self.identity.public_key)
  const action = onVerdict(answer)
  if (action._tag === "stop") return { _tag: "needsYou", needs: action.needs }
  if (action._tag === "renew") return { _tag: "renew" }
  yield* Effect.sleep(Duration.seconds(1))
  return { _tag: "regate", settingsSeq: 0 }
})

const anotherJournal = "the journal here is not the one the hosted log knows; reading the log to its end, then sending what it lacks"

/**
 * The journal here is not the one the log knows (it was lost, restored from a copy, or copied), or the log lost some
 * of what it had. Open a new one on top of the head; nothing is stamped before the mirror has been read to its end.
 */
const reopen = Effect.fnUntraced(function*(context: LinkedContext, prev: string, why: string | undefined) {
  yield* context.journal.hold
  return yield* Effect.gen(function*() {
    if (why !== undefined) yield* Effect.logWarning(why)
    context.mirrorDoubted()
    // nothing of ours lies in the log behind our own last record
    const answer = yield* askHead(context)
    if (answer?.verdict !== "head") return { _tag: "regate", settingsSeq: 0 } satisfies SessionEnd
    yield* context.tablesInEpoch
    const mirrorSettled = Effect.suspend(() => {
      const wanted = SubscriptionRef.getUnsafe(context.state.mirrorWanted)
      return awaitRef(context.state.mirrorMade, (made) => made >= wanted)
    })
    const linkLost = awaitRef(context.state.link, ({ up }) => !up)
    // without a link the mirror cannot come on, and a person's writes must not wait for it
    const there = yield* Effect.raceFirst(
      mirrorSettled.pipe(Effect.andThen(context.mirrorReached(answer.head_seq)), Effect.as(true)),
      Effect.as(linkLost, false)
    ).pipe(Effect.timeoutOption(mirrorPatience))
    if (!Option.getOrElse(there, () => false)) return { _tag: "regate", settingsSeq: 0 } satisfies SessionEnd
    const id = uuidV7()
    yield* context.journals.open(id)
    yield* context.cursor.moveTo(0)
    yield* SubscriptionRef.set(context.state.lackedIn, undefined)
    yield* SubscriptionRef.update(context.state.relayed, (held) => ({ ...held, to: 0 }))
    yield* context.journal.release
    return yield* relaySession(relayContext(context), { journal: id, prev, to: 0 })
  }).pipe(Effect.ensuring(context.journal.release))
})

const companionsOf = (context: LinkedContext) => ({
  ...context,
  hostedUrl: () => context.paired().hosted_url,
  log: () => ({ id: context.paired().log_id, epoch: context.paired().log_epoch }),
  linkReturned: linkReturns(context.state)
})

/** Make companions that registered here known over there, for ever. */
export const runForwarding = (context: LinkedContext): Effect.Effect<never> => forwardCompanions(companionsOf(context))

const relayContext = (context: LinkedContext): RelayContext => ({
  journal: context.journalLog,
  cursor: context.cursor,
  author: context.paired().peer_id,
  identity: context.self,
  ask: (commit) => askToCommit(context, commit),
  linkReturned: linkReturns(context.state),
  log: () => ({ id: context.paired().log_id, epoch: context.paired().log_epoch }),
  gateContext: (pending) =>
    Effect.gen(function*() {
      const { dataKeys } = context.secrets()
      const key = dataKeys.at(-1)
      // ids keep the name they first had outside, whichever key seals today
      const idKey = dataKeys[0]
      if (key === undefined || idKey === undefined) return yield* Effect.die(new Error("paired without a data key"))
      const [skip, settings] = yield* Effect.all([context.known(pending), context.settings], { concurrency: 2 })
      return { settings, key, shareId: (id) => sharedId(idKey, id), skip }
    }),
  seen: context.seen,
  relayCompanion: (framed, seq) => relayCompanion({ ...companionsOf(context), ask: (commit) => askToCommit(context, commit) }, framed, seq),
  committed: (commit, logSeq) =>
    Effect.gen(function*() {
      for (const group of Map.groupBy(commit.withheld, ({ why }) => why)) {
        yield* context.withhold(group[1].map(({ id }) => id), group[0])
      }
      yield* SubscriptionRef.set(context.state.relayed, { to: commit.to, logSeq, at: yield* Clock.currentTimeMillis })
    }),
  sending: (commit) => {
    for (const id of commit.sent) context.state.onTheirWay.set(id, commit.shared.get(id) ?? null)
  },
  setAside: (eventId, why) => context.withhold([eventId], `set aside: ${why}`),
  retried: (verdict) => {
    context.state.retries[verdict] = (context.state.retries[verdict] ?? 0) + 1
  }
})

/** What a session's end asks for. Returns what the next step should start from. */
const act = Effect.fnUntraced(function*(context: LinkedContext, end: SessionEnd | undefined) {
  const { state } = context
  switch (end?._tag) {
    case undefined:
      return undefined
    case "reconcile":
      return end
    case "renew":
      if (!(yield* context.renew)) yield* Effect.sleep(renewPause)
      return undefined
    case "regate":
      yield* context.mirrorReached(end.settingsSeq).pipe(Effect.timeoutOption(mirrorPatience))
      return undefined
    case "stopped":
      note(state, yield* Clock.currentTimeMillis, `the settings stop sending: ${end.why}`)
      yield* awaitBump(state.settingsSeen)
      return undefined
    case "logChanged":
      yield* context.logChanged(end.id, end.epoch)
      return undefined
    case "twin":
      yield* stopAsTwin(context)
      return undefined
    case "needsYou":
      yield* needPerson(state, end.needs)
      return undefined
  }
})
