import { Clock, Duration, Effect, Random, SubscriptionRef } from "effect"
import type { ServerProcess } from "../nats/ServerProcess.ts"
import { awaitRef, needPerson, type State } from "./State.ts"

export interface TwinContext {
  readonly state: State
  readonly server: Pick<ServerProcess, "lastLines">
  /** Take this machine off the link, as a person's pause does. */
  readonly leave: Effect.Effect<void>
  readonly journals: { readonly forgive: () => void }
}

const twinFound = "this identity runs twice: another process runs with this machine's key, and sending has stopped here. Stop one of the two, then `maestra local resume` on the other; if this is a copy, unpair it and pair it anew"

/** Stop here, so that the other one can go on: off the link too, because two servers of one name throw each other out of it. */
export const stopAsTwin = Effect.fnUntraced(function*({ journals, leave, state }: TwinContext) {
  yield* leave
  journals.forgive()
  yield* needPerson(state, twinFound)
})

/** What the hub says when another server of the same name came in: to the one that was there, in its own log only. */
const thrownOut = "Duplicate Remote LeafNode Connection"
/** One time may be our own link, half open and replaced; this often, and this quickly, it is somebody else. */
const timesMin = 3
/** Up to so many more, by chance: of two that count alike, both would stop. */
const timesSpread = 3
const within = Duration.seconds(30)

/** While two throw each other out, that alone settles which one stops: each also finds the other's journal in the log. */
export const isThrownOut = (state: State, now: number): boolean => now - state.thrownOutAt < 2 * Duration.toMillis(within)

/**
 * Notice a copy of this data directory that runs somewhere else, before either has written anything. Of two that
 * throw each other out in turns, the one that was thrown out often enough first stops, and the other one goes on.
 */
export const watchTwin = Effect.fn("local.watchTwin")(function*(context: TwinContext): Effect.fn.Return<never> {
  const { server, state } = context
  const last = Effect.map(server.lastLines, (lines) => lines.findLast((line) => line.includes(thrownOut)))
  // each line has its time, so the same one twice is one event
  let known = yield* last
  let times: Array<number> = []
  const timesMax = timesMin + (yield* Random.nextIntBetween(0, timesSpread))
  for (;;) {
    yield* awaitRef(state.link, ({ up }) => up)
    yield* awaitRef(state.link, ({ up }) => !up)
    const line = yield* last
    if (line === known) continue
    known = line
    const now = state.thrownOutAt = yield* Clock.currentTimeMillis
    times = [...times.filter((time) => now - time < Duration.toMillis(within)), now]
    if (times.length < timesMax || SubscriptionRef.getUnsafe(state.needs) !== undefined) continue
    times = []
    yield* stopAsTwin(context)
  }
})
