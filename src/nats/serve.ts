import type { NatsConnection } from "@nats-io/transport-node"
import { Cause, Deferred, Effect, FiberSet } from "effect"
import type { Connection, Request } from "./Connection.ts"
import { type FairLimits, FairQueue } from "./fairQueue.ts"

/** Handlers at once when the caller does not say. */
const concurrencyDefault = 64
/** Bytes of requests waiting for a handler; beyond, the sender times out and asks again. */
const waitingMaxBytes = 64 * 1024 * 1024
/** Of one sender, where they share: two of the largest commits. */
const waitingOfOneMaxBytes = 16 * 1024 * 1024

/** One sender has a quarter of the hands at most. */
const limitsOf = (concurrency: number): FairLimits => ({
  running: concurrency,
  runningOfOne: Math.max(1, Math.floor(concurrency / 4)),
  waitingBytes: waitingMaxBytes,
  waitingBytesOfOne: waitingOfOneMaxBytes
})

/** `Connection.serve`: see there. A handler that dies takes the whole service down, loudly. */
export const serve = (nats: NatsConnection, options: Parameters<Connection["serve"]>[0]): Effect.Effect<never> =>
  Effect.scoped(Effect.gen(function*() {
    const concurrency = options.concurrency ?? concurrencyDefault
    const run = yield* FiberSet.makeRuntime<never, void>()
    const broken = yield* Deferred.make<never>()
    const queue = new FairQueue<Request>(options.sharedBy === undefined ? { ...limitsOf(concurrency), runningOfOne: concurrency, waitingBytesOfOne: waitingMaxBytes } : limitsOf(concurrency))
    const { sharedBy = (subject: string) => subject } = options

    const start = (): void => {
      const next = queue.take()
      if (next === undefined) return
      const { done, item: request } = next
      run(options.handler(request).pipe(
        Effect.map((answer) => nats.publish(request.reply, answer)),
        Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(broken, cause)),
        Effect.ensuring(Effect.sync(() => {
          done()
          start()
        }))
      ))
    }
    const receive = (request: Request) => {
      if (options.mayAnswer(request.reply) && queue.offer(sharedBy(request.subject), request, request.data.length)) start()
    }

    yield* Effect.acquireRelease(
      Effect.sync(() =>
        nats.subscribe(options.subject, {
          queue: options.queue,
          callback: (error, { data, reply, subject }) => {
            // The server took the subscription away (permissions): serving nothing in silence would be worse.
            if (error !== null) return void Deferred.doneUnsafe(broken, Effect.die(error))
            if (reply !== undefined && reply !== "") receive({ subject, data, reply })
          }
        })
      ),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
    return yield* Deferred.await(broken)
  }))
