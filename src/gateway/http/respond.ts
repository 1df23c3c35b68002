import { Cause, type Context, Effect, Result, type Scope, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { type BackendError, fromBackend, type Problem } from "./problems.ts"

/**
 * Answers written by hand instead of through the endpoint's schema: a conversation of 10,000 messages
 * is one `JSON.stringify`, not 10,000 encodings. The type parameter holds them to the contract.
 */
export const json = <A>(body: NoInfer<A>, options: { readonly status?: number; readonly version?: number } = {}) =>
  HttpServerResponse.text(JSON.stringify(body), {
    status: options.status ?? 200,
    contentType: "application/json",
    headers: options.version === undefined ? {} : { etag: `"${options.version}"` }
  })

const encoder = new TextEncoder()

/**
 * One JSON value a line. A failure before the first line is a problem with its status; a later one breaks
 * the connection, so that a cut answer never looks whole.
 */
export const ndjson = <A, E extends BackendError | Problem, R>(
  rows: Stream.Stream<A, E, R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, Problem, R | Scope.Scope> =>
  Effect.gen(function*() {
    const context: Context.Context<R> = yield* Effect.context<R>()
    const pull = yield* Stream.toPull(Stream.provideContext(Stream.mapArray(rows, toLines), context))
    const first = yield* Effect.result(pull)
    if (Result.isFailure(first) && !Cause.isDone(first.failure)) return yield* fromBackend(first.failure)
    const body = Result.isFailure(first)
      ? Stream.empty
      : Stream.concat(Stream.fromArray(first.success), Stream.fromPull(Effect.succeed(pull)))
    return HttpServerResponse.stream(body, { contentType: "application/x-ndjson", headers: { "cache-control": "no-store" } })
  })

const toLines = (rows: ReadonlyArray<unknown>): readonly [Uint8Array] => {
  let text = ""
  for (const row of rows) text += `${JSON.stringify(row)}\n`
  return [encoder.encode(text)]
}
