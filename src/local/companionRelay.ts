import { Clock, Duration, Effect, Fiber, Random, Result, SubscriptionRef } from "effect"
import { isoTime } from "../../streams/time.ts"
import type { Verdict } from "../../streams/Verdict.ts"
import type { NoResponders, RequestTimedOut } from "../nats/Connection.ts"
import { parseCommit, unframe } from "../security/commit.ts"
import { companionEventIds } from "./companionFrame.ts"
import type { CompanionStore } from "./companions.ts"
import { onVerdict } from "./onVerdict.ts"
import { forwardRegistration } from "./register.ts"
import { pauseAfter, type SessionEnd } from "./Relay.ts"
import { awaitBump, awaitRef, note, type State, unlessPaused } from "./State.ts"

export interface CompanionRelayContext {
  readonly state: State
  readonly companions: CompanionStore
  readonly hostedUrl: () => string
  readonly log: () => { readonly id: string; readonly epoch: number }
  readonly ask: (commit: Uint8Array) => Effect.Effect<Verdict, NoResponders | RequestTimedOut>
  readonly linkReturned: Effect.Effect<void>
  readonly withhold: (eventIds: ReadonlyArray<string>, why: string) => Effect.Effect<void>
}

type End = SessionEnd | { readonly _tag: "done" }
const done: End = { _tag: "done" }

/** Tries to make a companion's registration known over there before its commit is set aside. */
const registrationTries = 3

/**
 * Send a companion's commit as it was signed, alone. Its own failings never stop what lies behind it: a commit the hosted
 * side will not have is set aside and named, and the companion, told so at its next sync, sends again what it can.
 */
export const relayCompanion = Effect.fnUntraced(function*(context: CompanionRelayContext, framed: Uint8Array, seq: number): Effect.fn.Return<End> {
  const unframed = unframe(framed)
  const parsed = Result.isSuccess(unframed) ? parseCommit(unframed.success.record) : undefined
  if (parsed === undefined || Result.isFailure(parsed)) return yield* passed(context, seq, 0)
  const { author, journal, to } = parsed.success.record
  let registering = 0
  for (let tries = 0;; tries++) {
    const answer = yield* Effect.result(context.ask(framed))
    if (Result.isFailure(answer)) {
      yield* pause(context, tries)
      continue
    }
    const verdict = answer.success
    const { epoch, id } = context.log()
    if (verdict.log_id !== id || verdict.log_epoch !== epoch) return { _tag: "logChanged", id: verdict.log_id, epoch: verdict.log_epoch }
    const action = onVerdict(verdict)
    if (action._tag === "advance") return yield* passed(context, seq, action.logSeq)
    if (action._tag === "retry") yield* pause(context, tries)
    else if (action._tag === "wait") yield* Effect.sleep(Duration.millis(action.millis))
    else if (isOwnFault(verdict)) return action._tag === "renew" ? action : action._tag === "stop" ? { ...action, _tag: "needsYou" } : { _tag: "needsYou", needs: "the hosted side refuses this machine" }
    else if (verdict.verdict === "chain_mismatch" && covers(verdict.head, journal, to)) return yield* passed(context, seq, 0)
    else if ((verdict.verdict === "bad_signature" || verdict.verdict === "expired") && registering < registrationTries) {
      // its registration may not have come there yet: a stranger's name is answered like a forger's
      if (!(yield* unlessPaused(context.state, forwardOne(context, author), false))) yield* pause(context, registering)
      registering++
    } else {
      yield* context.withhold(companionEventIds(framed), `set aside: ${verdict.verdict}`)
      note(context.state, yield* Clock.currentTimeMillis, `a commit of companion ${author} was set aside: ${verdict.verdict}`)
      return yield* passed(context, seq, 0)
    }
  }
})

/** Whether a verdict is about this machine, and not about the companion or its commit. */
const isOwnFault = (verdict: Verdict): boolean =>
  (verdict.verdict === "revoked" || verdict.verdict === "unknown_peer" || verdict.verdict === "expired") && verdict.author === undefined

/** The companion has written on over there: this commit, or one that stands for it, is in the log. */
const covers = (head: string | null, journal: string, to: number): boolean => {
  const parsed = head === null ? undefined : parseCommit(new TextEncoder().encode(head))
  return parsed !== undefined && Result.isSuccess(parsed) && parsed.success.record.journal === journal && parsed.success.record.to >= to
}

const passed = Effect.fnUntraced(function*({ state }: CompanionRelayContext, seq: number, logSeq: number) {
  const at = yield* Clock.currentTimeMillis
  yield* SubscriptionRef.update(state.relayed, (held) => ({ to: Math.max(held.to, seq), logSeq: Math.max(held.logSeq, logSeq), at }))
  return done
})

const pause = (context: CompanionRelayContext, tries: number) =>
  Effect.flatMap(Random.next, (chance) => Effect.timeoutOrElse(context.linkReturned, { duration: pauseAfter(tries, chance), orElse: () => Effect.void }))

/** Tell the hosted side of a companion that registered here. True once it needs no more telling. */
const forwardOne = Effect.fnUntraced(function*(context: Pick<CompanionRelayContext, "state" | "companions" | "hostedUrl">, peer: string): Effect.fn.Return<boolean> {
  const companion = context.companions.of(peer)
  if (companion?.forward === undefined) return true
  const now = yield* Clock.currentTimeMillis
  if (companion.expires_at > isoTime(now)) {
    const told = yield* Effect.result(forwardRegistration(context.hostedUrl(), companion.forward))
    if (Result.isFailure(told) && told.failure._tag === "HostedUnreachable") return false
    if (Result.isFailure(told)) note(context.state, now, `the hosted side does not take companion ${peer}: ${told.failure.hint}`)
  }
  const { forward: _, ...rest } = companion
  yield* Effect.ignore(context.companions.keep(rest))
  return true
})

const forwardEvery = Duration.seconds(10)

/** Tell the hosted side of every companion that registered here, for ever; whenever one came, and whenever the link is back. */
export const forwardCompanions = Effect.fn("local.forwardCompanions")(function*(context: Pick<CompanionRelayContext, "state" | "companions" | "hostedUrl">): Effect.fn.Return<never> {
  for (;;) {
    yield* awaitRef(context.state.paused, (paused) => !paused)
    yield* awaitRef(context.state.link, ({ up }) => up)
    const came = yield* Effect.forkChild(awaitBump(context.state.companionsCame), { startImmediately: true })
    let all = true
    for (const { peer_id } of context.companions.all()) all = (yield* unlessPaused(context.state, forwardOne(context, peer_id), false)) && all
    yield* Effect.raceFirst(Effect.asVoid(Fiber.join(came)), all ? Effect.never : SubscriptionRef.getUnsafe(context.state.paused) ? Effect.void : Effect.sleep(forwardEvery))
    yield* Fiber.interrupt(came)
  }
})
