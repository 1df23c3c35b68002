import { Duration, Effect, Schedule } from "effect"
import { awaitRef, bump, type State, unlessPaused } from "./State.ts"

export interface MovedContext {
  readonly state: Pick<State, "link" | "paused" | "renewalWanted">
  /** Whether the hosted side answers over HTTP, where this machine was paired with it. */
  readonly answers: Effect.Effect<boolean>
}

/** A hub that is only started again is linked with long before. */
const awayFor = Duration.seconds(30)
const askAtMost = Duration.minutes(30)
const asked = Schedule.min([Schedule.exponential(awayFor), Schedule.spaced(askAtMost)]).pipe(Schedule.jittered)

/**
 * A hub that answers over HTTP and not over the link may have moved: other ports, or a cluster in its place. Registering
 * again tells where. Looked for again while the link stays down, less and less often, and not while a person has paused.
 */
export const watchMoved = Effect.fn("local.watchMoved")(function*({ answers, state }: MovedContext): Effect.fn.Return<never> {
  const look = Effect.gen(function*() {
    if (!(yield* unlessPaused(state, answers, false))) return
    yield* Effect.logInfo("the hosted side answers over HTTP and not over the link; registering again tells whether it has moved")
    yield* bump(state.renewalWanted)
  })
  for (;;) {
    yield* awaitRef(state.link, ({ up }) => !up)
    yield* Effect.raceFirst(Effect.schedule(look, asked), awaitRef(state.link, ({ up }) => up))
  }
})
