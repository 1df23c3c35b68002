import { Effect, Queue, type Scope } from "effect"
import type { Wire } from "./connect.ts"

/** What is published on these subjects from now on, as it comes: every listener hears all of it, and what was said before nobody does. */
export const hear = (wire: Wire, pattern: string): Effect.Effect<Queue.Queue<Uint8Array>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const heard = yield* Queue.sliding<Uint8Array>(heardMax)
    yield* Effect.acquireRelease(
      Effect.sync(() => wire.nats.subscribe(pattern, { callback: (error, { data }) => error === null ? void Queue.offerUnsafe(heard, data) : undefined })),
      (subscription) => Effect.sync(() => subscription.unsubscribe()))
    return heard
  })

/** Waiting for their listener; beyond, the oldest go: what is said this way is said again. */
const heardMax = 10_000
