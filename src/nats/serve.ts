import type { NatsConnection } from "@nats-io/transport-node"
import { Cause, Deferred, Effect, FiberSet } from "effect"
import type { Connection, Request } from "./Connection.ts"

/** Handlers at once when the caller does not say. */
const concurrencyDefault = 64
/** Bytes of requests waiting for a handler; beyond, the sender times out and asks again. */
const waitingMaxBytes = 64 * 1024 * 1024

/** `Connection.serve`: see there. A handler that dies takes the whole service down, loudly. */
export const serve = (nats: NatsConnection, options: Parameters<Connection["serve"]>[0]): Effect.Effect<never> =>
  Effect.scoped(Effect.gen(function*() {
    const concurrency = options.concurrency ?? concurrencyDefault
    const run = yield* FiberSet.makeRuntime<never, void>()
    const broken = yield* Deferred.make<never>()
    const waiting: Array<Request> = []
    let waitingBytes = 0
    let running = 0

    const start = (request: Request): void => {
      running++
      run(options.handler(request).pipe(
        Effect.map((answer) => nats.publish(request.reply, answer)),
        Effect.catchCause((cause) => Cause.hasInterruptsOnly(cause) ? Effect.void : Deferred.failCause(broken, cause)),
        Effect.ensuring(Effect.sync(next))
      ))
    }
    const next = () => {
      running--
      const request = waiting.shift()
      if (request === undefined) return
      waitingBytes -= request.data.length
      start(request)
    }
    const receive = (request: Request) => {
      if (!options.mayAnswer(request.reply)) return
      if (running < concurrency) return start(request)
      if (waitingBytes + request.data.length > waitingMaxBytes) return
      waitingBytes += request.data.length
      waiting.push(request)
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
