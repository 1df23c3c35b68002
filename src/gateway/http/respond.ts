import { type Context, Effect, Stream } from "effect"
import { HttpServerResponse } from "effect/http"

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

/** One JSON value a line. A failure on the way breaks the connection, so a cut answer never looks whole. */
export const ndjson = <A, E, R>(rows: Stream.Stream<A, E, R>): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.succeed(HttpServerResponse.stream(
      rows.pipe(
        Stream.mapArray((lines) => {
          let text = ""
          for (const line of lines) text += `${JSON.stringify(line)}\n`
          return [encoder.encode(text)] as const
        }),
        Stream.provideContext(context)
      ),
      { contentType: "application/x-ndjson", headers: { "cache-control": "no-store" } }
    ))
  )
