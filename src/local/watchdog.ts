import { Clock, Duration, Effect, SubscriptionRef } from "effect"
import { bump, linkUp, note, type State } from "./State.ts"

const lookEvery = Duration.seconds(5)
/** Something to do, the link up, and no movement for this long: help it. */
const patience = Duration.seconds(30)

export interface Movement {
  readonly pending: number
  readonly behind: number
  /** Anything that changes when something moves. */
  readonly mark: string
}

/**
 * Demand progress. Where something waits, the link is up and nothing moves, start the relay's session and the mirror
 * again and say so; where that did not help either, alert. Nothing is lost by it: both begin at durable positions.
 */
export const watch = Effect.fn("local.watchdog")(function*(state: State, movement: Effect.Effect<Movement>): Effect.fn.Return<never> {
  let mark = ""
  let since = yield* Clock.currentTimeMillis
  let helped = 0
  for (;;) {
    yield* Effect.sleep(lookEvery)
    const now = yield* Clock.currentTimeMillis
    const { behind, mark: seenMark, pending: waiting } = yield* movement
    // what a person keeps back is not stuck
    const seen = { behind, mark: seenMark, pending: SubscriptionRef.getUnsafe(state.held) === undefined ? waiting : 0 }
    const idle = (seen.pending === 0 && seen.behind === 0) || !linkUp(state) || SubscriptionRef.getUnsafe(state.paused) || SubscriptionRef.getUnsafe(state.needs) !== undefined
    if (idle || seen.mark !== mark) {
      mark = seen.mark
      since = now
      helped = 0
      continue
    }
    if (now - since < Duration.toMillis(patience)) continue
    since = now
    const what = `nothing moved for ${Duration.toSeconds(patience)} s with ${seen.pending} to send and ${seen.behind} to receive`
    note(state, now, what)
    if (helped++ === 0) yield* Effect.logWarning(`${what}; starting the relay and the mirror again`)
    else yield* Effect.logError(`${what}, and starting again did not help; see \`maestra doctor\` and \`maestra debug\``)
    if (seen.behind > 0) yield* bump(state.mirrorWanted)
    if (seen.pending > 0) yield* bump(state.relayWanted)
  }
})
