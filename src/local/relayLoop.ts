import { Cause, Clock, Duration, Effect, Exit, Option, Random, Result, SubscriptionRef } from "effect"
import { v7 as uuidV7 } from "uuid"
import { genesis } from "../../streams/CommitRecord.ts"
import { count, observe, timed } from "../../streams/metrics.ts"
import type { SyncOutcome } from "../../streams/SyncTally.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import { sharedId } from "../security/sharedId.ts"
import { askHead } from "./askHead.ts"
import { askToCommit } from "./askToCommit.ts"
import { forwardCompanions, relayCompanion } from "./companionRelay.ts"
import type { LinkedContext } from "./LinkedContext.ts"
import { epochOf } from "./mirrorLoop.ts"
import { mirrorWhole } from "./mirrorWhole.ts"
import { onVerdict } from "./onVerdict.ts"
import { pauseAfter, readHead, reconcileWith, relaySession, type RelayContext, type SessionEnd } from "./Relay.ts"
import { awaitBump, awaitRef, linkReturns, linkUp, needPerson, note } from "./State.ts"
import { isThrownOut, stopAsTwin } from "./twins.ts"

/** After a renewal that did not come about: hosted is away, or a clock is wrong. */
const renewPause = Duration.seconds(2)
/** Long enough for any mirror that moves at all; the watchdog sees to one that does not. */
const mirrorPatience = Duration.seconds(60)

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
  if (answer.verdict === "head") return readHead(answer.head, context.self.identity)
  const action = onVerdict(answer)
  if (action._tag === "stop") return { ...action, _tag: "needsYou" }
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
    const linkLost = awaitRef(context.state.link, ({ up }) => !up)
    // without a link the mirror cannot come on, and a person's writes must not wait for it
    const there = yield* Effect.raceFirst(
      Effect.as(mirrorWhole({ ...context, ask: askHead(context) }, answer.head_seq), true),
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

/** Every try counts, whatever comes of it. */
const tallied = ({ state }: LinkedContext, ask: ReturnType<RelayContext["ask"]>): ReturnType<RelayContext["ask"]> =>
  Effect.onExit(timed("maestra_sync_duration_seconds", {})(ask), (exit) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      const outcome = outcomeOf(exit)
      if (outcome === undefined) return
      count("maestra_sync_attempts_total", { verdict: outcome })
      const counted = state.tally.record(now, outcome)
      if (counted !== "neither") count("maestra_syncs_total", { outcome: counted })
    }))

/** `undefined` where it was broken off. */
const outcomeOf = (exit: Exit.Exit<Verdict, { readonly _tag: "NoResponders" | "RequestTimedOut" }>): SyncOutcome | undefined => {
  if (Exit.isSuccess(exit)) return exit.value.verdict
  const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return failure === undefined ? undefined : failure._tag === "NoResponders" ? "no_responders" : "timed_out"
}

const relayContext = (context: LinkedContext): RelayContext => ({
  journal: context.journalLog,
  cursor: context.cursor,
  author: context.paired().peer_id,
  identity: context.self,
  ask: (commit, mayAgain) => tallied(context, context.synced.timed(askToCommit(context, commit, mayAgain))),
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
  settingsMark: () => `${context.journal.settingsAt()}/${SubscriptionRef.getUnsafe(context.state.settingsSeen)}`,
  committed: (commit, logSeq) =>
    Effect.flatMap(Clock.currentTimeMillis, (at) => {
      context.synced.committed(commit)
      observe("maestra_commit_events", {}, commit.sent.length)
      observe("maestra_commit_size_bytes", {}, commit.bytes)
      return SubscriptionRef.set(context.state.relayed, { to: commit.to, logSeq, at })
    }),
  sending: (commit) =>
    Effect.gen(function*() {
      for (const group of Map.groupBy(commit.withheld, ({ why }) => why)) {
        yield* context.withhold(group[1].map(({ id }) => id), group[0])
      }
      for (const id of commit.sent) context.state.onTheirWay.set(id, commit.shared.get(id) ?? null)
    }),
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
      yield* SubscriptionRef.set(state.held, end.why)
      yield* awaitBump(state.settingsSeen).pipe(Effect.ensuring(SubscriptionRef.set(state.held, undefined)))
      return undefined
    case "logChanged":
      yield* context.logChanged(end.id, end.epoch)
      return undefined
    case "twin":
      yield* stopAsTwin(context)
      return undefined
    case "needsYou":
      yield* needPerson(state, end.needs, end.revoked)
      return undefined
  }
})
