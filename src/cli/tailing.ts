import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Event, makeParser } from "effect/encoding/Sse"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Backend } from "./backend.ts"
import { bytes, ofProblem, Problem } from "./call.ts"
import { CliFailure, notReachable } from "./failure.ts"

/** An event as the backend tells it: `data` is the opened CloudEvent, `cursor` resumes right after it. */
export interface Told {
  readonly cursor: string
  readonly data: string
}

export interface TailOptions<R> {
  /** Looked up anew before every attempt: a backend that was restarted may listen elsewhere. */
  readonly backend: Effect.Effect<Backend, CliFailure, R>
  readonly from: string
  readonly subject: string | undefined
  /** The connection is gone and will be tried again. */
  readonly onLost: (failure: CliFailure) => Effect.Effect<void>
}

const retryFirst = Duration.millis(200)
const retryMost = Duration.seconds(5)

/**
 * Events from a place in the stream on, without end. After a disconnect it comes back by itself, right behind the
 * last event it gave. Fails when the first connection does, or when the backend refuses.
 */
export const tail = <R>(options: TailOptions<R>): Stream.Stream<Told, CliFailure, R | FileSystem.FileSystem> =>
  Stream.callback<Told, CliFailure, R | FileSystem.FileSystem>((queue) =>
    Effect.gen(function*() {
      let last: string | undefined
      let hasConnected = false
      let wait = retryFirst
      while (true) {
        const ended = yield* Effect.flatMap(options.backend, (backend) =>
          connect(backend, options, last, (place) => {
            hasConnected = true
            last = place ?? last
          }).pipe(Stream.runForEach((told) => {
            last = told.cursor
            wait = retryFirst
            return Queue.offer(queue, told)
          }))).pipe(Effect.result)
        const failure = ended._tag === "Failure" ? ended.failure : closed
        if (!hasConnected || failure.kind !== "not_reachable") return yield* Queue.fail(queue, failure)
        yield* options.onLost(failure)
        yield* Effect.sleep(wait)
        wait = Duration.min(Duration.times(wait, 2), retryMost)
      }
    }).pipe(Effect.catchCauseIf((cause) => !Cause.hasInterruptsOnly(cause), (cause) => Queue.failCause(queue, cause))))

const closed = notReachable("connection-lost", "the backend closed the event stream")

/** One connection, to its end. It may say where it begins before there is any event. */
const connect = <R>(backend: Backend, options: TailOptions<R>, last: string | undefined, onOpen: (place: string | undefined) => void) => {
  const told: Array<Event> = []
  let place: string | undefined
  const parser = makeParser((event) => {
    if (event._tag === "Event") told.push(event)
    else place = event.lastEventId
  })
  return bytes(backend, {
    method: "GET",
    path: "/events",
    query: { from: options.from, subject: options.subject },
    headers: { accept: "text/event-stream", ...(last === undefined ? {} : { "last-event-id": last }) }
  }).pipe(
    Stream.decodeText,
    Stream.mapEffect((text) => {
      const error = parser.feed(text)
      onOpen(place)
      place = undefined
      return error === undefined ? Effect.succeed(told.splice(0)) : Effect.fail(notReachable("event-too-large", error.message))
    }),
    Stream.flattenIterable,
    Stream.mapEffect((event) => event.event === "problem" ? Effect.fail(problemOf(backend, event.data)) : Effect.succeed({ cursor: event.id ?? "", data: event.data }))
  )
}

const readProblem = Schema.decodeUnknownOption(Schema.fromJsonString(Problem))

const problemOf = (backend: Backend, data: string): CliFailure =>
  ofProblem(backend, Option.getOrElse(readProblem(data), (): typeof Problem.Type => ({})), 503)
