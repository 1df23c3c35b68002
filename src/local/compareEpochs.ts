import { Duration, Effect, Option, Result, Stream, SubscriptionRef } from "effect"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import { pendingOf } from "./prepare.ts"
import { awaitBump, awaitRef, bump, type State } from "./State.ts"
import type { Tables } from "./Tables.ts"

export interface CompareContext {
  readonly state: State
  readonly journal: EventLog
  readonly tables: Pick<Tables, "lacks" | "comparedIn" | "keepCompared">
  /** Where the log ends, as the hosted side says; none while it does not answer, or speaks of another epoch. */
  readonly logEnd: Effect.Effect<number | undefined>
  /** Waits until the tables have read the log, in the present epoch, up to there. */
  readonly logRead: (seq: number) => Effect.Effect<void>
}

const askEvery = Duration.seconds(1)

/**
 * In each epoch of the log, once: read it to its end, then see whether it holds all that was sent from here.
 * An epoch begins when the log lost its end, which the chains show, or something in its middle, which they do not: our
 * last record is still there, and what lies before it gone. Where anything lacks, the relay is told to open a new
 * journal, and sends by event id what is not there. Remembered only when that is settled, so a crash asks again.
 */
export const compareEpochs = Effect.fn("local.compareEpochs")(function*(context: CompareContext): Effect.fn.Return<never, LogUnavailable> {
  const { state, tables } = context
  let settled = yield* tables.comparedIn
  for (;;) {
    // tables that are made anew have forgotten what stays here for good: the relay finds it out by gating it again
    const shared = yield* Effect.raceFirst(awaitRef(state.shared, (now) => now !== undefined && now.epoch !== settled), Effect.as(awaitBump(state.reread), undefined))
    if (shared === undefined) {
      settled = undefined
      continue
    }
    const changed = awaitRef(state.shared, (now) => now?.epoch !== shared.epoch).pipe(Effect.as(false))
    const whole = Effect.gen(function*() {
      const end = yield* endOf(context)
      yield* context.logRead(end)
      if (!(yield* isLacking(context, shared.to))) return true
      yield* Effect.logWarning("the hosted log no longer holds all that was sent from here; sending what it lacks", { epoch: shared.epoch })
      yield* SubscriptionRef.set(state.lackedIn, shared.epoch)
      yield* bump(state.relayWanted)
      yield* awaitRef(state.lackedIn, (epoch) => epoch !== shared.epoch)
      return true
    })
    if (!(yield* Effect.raceFirst(whole, changed))) continue
    yield* tables.keepCompared(shared.epoch)
    settled = shared.epoch
  }
})

const endOf = Effect.fnUntraced(function*({ logEnd }: CompareContext) {
  for (;;) {
    const end = yield* logEnd
    if (end !== undefined) return end
    yield* Effect.sleep(askEvery)
  }
})

/** Is anything of the journal up to there neither in the log nor withheld? */
const isLacking = Effect.fnUntraced(function*({ journal, tables }: CompareContext, through: number) {
  const lacking = yield* journal.readRange({ from: 1, through }).pipe(
    // what cannot be read never left
    Stream.map((batch) => batch.map(pendingOf).flatMap(({ envelope, id }) => Result.isSuccess(envelope) ? [id] : [])),
    Stream.mapEffect(tables.lacks),
    Stream.filter((lacks) => lacks),
    Stream.runHead)
  return Option.isSome(lacking)
})
