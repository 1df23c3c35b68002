import { Clock, Duration, Effect } from "effect"
import type { TelemetryDraft } from "../../streams/telemetry.ts"

/** Commits since the last event told of them. */
interface Commits {
  commits: number
  events: number
  bytes: number
  latencyMillis: number
  slowestMillis: number
}

/** One event tells of all commits of so long: under load there are hundreds a second, and telling costs a write too. */
const tellEvery = Duration.seconds(1)

const none = (): Commits => ({ commits: 0, events: 0, bytes: 0, latencyMillis: 0, slowestMillis: 0 })

/**
 * `conversation_sync` telemetry: commits of conversations that became durable on the hosted side. `committed` is cheap;
 * `run` tells, for ever. `latency_ms` is the mean from the request to its answer.
 */
export const makeSyncTelemetry = (emit: (draft: TelemetryDraft) => Effect.Effect<void>) => {
  let since = none()
  let latencyMillis = 0
  return {
    /** One request of a commit; the last one before `committed` is the one that counts. One commit is on its way at a time. */
    timed: <A, E>(request: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.gen(function*() {
        const began = yield* Clock.currentTimeMillis
        const answer = yield* request
        latencyMillis = (yield* Clock.currentTimeMillis) - began
        return answer
      }),
    committed: (commit: { readonly sent: ReadonlyArray<string>; readonly bytes: number }): void => {
      since.commits++
      since.events += commit.sent.length
      since.bytes += commit.bytes
      since.latencyMillis += latencyMillis
      since.slowestMillis = Math.max(since.slowestMillis, latencyMillis)
    },
    run: Effect.gen(function*() {
      yield* Effect.sleep(tellEvery)
      const told = since
      if (told.commits === 0) return
      since = none()
      yield* emit({
        event_type: "conversation_sync",
        latency_ms: told.latencyMillis / told.commits,
        metadata: { commits: told.commits, events: told.events, bytes: told.bytes, slowest_ms: told.slowestMillis }
      })
    }).pipe(Effect.forever)
  }
}
export type SyncTelemetry = ReturnType<typeof makeSyncTelemetry>
