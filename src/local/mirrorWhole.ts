import { Duration, Effect, SubscriptionRef } from "effect"
import type { HeadAnswer, Verdict } from "../../streams/Verdict.ts"
import { awaitRef, type State } from "./State.ts"

export interface MirrorWholeContext<E, F> {
  readonly state: Pick<State, "mirrorMade" | "mirrorWanted">
  /** The tables have read the log up to there. */
  readonly mirrorReached: (seq: number) => Effect.Effect<void>
  /** What the mirror holds, until it has been compared with the log. */
  readonly mirrorUnchecked: Effect.Effect<{ readonly last_seq: number } | undefined, E>
  /** Ask the hosted side to compare; a mirror with a hole is made anew then. */
  readonly ask: Effect.Effect<HeadAnswer | Verdict | undefined, F>
}

const compareAgainAfter = Duration.millis(200)

/**
 * Until the tables have read the log up to `seq` from a mirror that was compared with it. To have come that far is not
 * enough: a mirror restored from a copy goes on where the hub believes it to be, with a hole where our own events lie.
 */
export const mirrorWhole = Effect.fn("local.mirrorWhole")(function*<E, F>(context: MirrorWholeContext<E, F>, seq: number) {
  const settled = Effect.suspend(() => {
    const wanted = SubscriptionRef.getUnsafe(context.state.mirrorWanted)
    return awaitRef(context.state.mirrorMade, (made) => made >= wanted)
  }).pipe(Effect.andThen(context.mirrorReached(seq)))
  for (;;) {
    // compared already; if it had a hole it is being made anew
    if ((yield* context.mirrorUnchecked) === undefined) return yield* settled
    yield* settled
    const held = yield* context.mirrorUnchecked
    if (held === undefined) continue
    const answer = yield* context.ask
    if (answer?.verdict === "head" && answer.mirror_whole === true && held.last_seq >= seq) return
    yield* Effect.sleep(compareAgainAfter)
  }
})
