import { Effect, Stream, SubscriptionRef } from "effect"

/** Completes with the next change of a counter. */
export const nextBump = (ref: SubscriptionRef.SubscriptionRef<number>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const before = SubscriptionRef.getUnsafe(ref)
    return SubscriptionRef.changes(ref).pipe(Stream.filter((value) => value !== before), Stream.runHead, Effect.asVoid)
  })
