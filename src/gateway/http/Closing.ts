import { Context, Deferred, Effect, Layer } from "effect"

/**
 * Whether the server has begun to stop. Streams without an end race against it, and answers close their
 * connection, so that stopping takes no longer than the requests under way.
 */
export class Closing extends Context.Service<Closing, {
  readonly begun: Effect.Effect<void>
  readonly isBegun: () => boolean
  readonly begin: Effect.Effect<void>
}>()("gateway/Closing") {
  static readonly layer = Layer.effect(
    Closing,
    Effect.map(Deferred.make<void>(), (signal) =>
      Closing.of({
        begun: Deferred.await(signal),
        isBegun: () => Deferred.isDoneUnsafe(signal),
        begin: Effect.asVoid(Deferred.succeed(signal, undefined))
      }))
  )
}
