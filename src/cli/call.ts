import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Backend } from "./backend.ts"
import { segmentOf } from "../../streams/paths.ts"
import { sentences } from "../../streams/sentences.ts"
import { CliFailure, failed, kindOfStatus, misused, notReachable } from "./failure.ts"

/** One request to a backend. `path` is made of `segment`s; absent `query` values are left out. */
export interface Request {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  /** JSON lines as bytes, or anything to be sent as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** Until the answer begins. Reading it takes as long as it takes. */
  readonly timeoutMillis?: number
}

/** The answer of a backend begins within this, or it counts as not reachable. Writes are fsynced in milliseconds. */
const answerTimeoutMillis = 60_000

/** An id as one part of a path. */
export const segment = (id: string): Effect.Effect<string, CliFailure> =>
  id === ""
    ? Effect.fail(misused("id-empty", "an id is empty", "Give the id of a conversation or message, as `maestra list` and `maestra show` give it."))
    : Effect.succeed(segmentOf(id))

/** An answer: as it came, for `--json`, and as this program understands it. */
export interface Answer<A> {
  readonly raw: unknown
  readonly value: A
}

/** Ask for one JSON document; an answer without a body counts as `{}`. */
export const ask = <S extends Schema.ConstraintDecoder<unknown>>(backend: Backend, schema: S, request: Request): Effect.Effect<Answer<S["Type"]>, CliFailure> =>
  Effect.gen(function*() {
    const response = yield* send(backend, request)
    const text = yield* read(backend, () => response.text())
    const raw = text === "" ? {} : yield* parse(text)
    const value = yield* Schema.decodeUnknownEffect(schema)(raw).pipe(Effect.mapError(() => notUnderstood))
    return { raw, value }
  })

/** The answer's bytes as they come. */
export const bytes = (backend: Backend, request: Request): Stream.Stream<Uint8Array, CliFailure> =>
  Stream.unwrap(Effect.map(send(backend, request), ({ body }) =>
    body === null
      ? Stream.empty
      : Stream.fromReadableStream<Uint8Array, CliFailure>({ evaluate: () => body, onError: () => lost(backend) })))

/** The answer's JSON lines as they come. */
export const lines = <S extends Schema.ConstraintDecoder<unknown>>(backend: Backend, schema: S, request: Request): Stream.Stream<S["Type"], CliFailure> =>
  bytes(backend, request).pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.filter((line) => line.trim() !== ""),
    Stream.mapEffect((line) => Effect.flatMap(parse(line), (raw) => Schema.decodeUnknownEffect(schema)(raw).pipe(Effect.mapError(() => notUnderstood))))
  )

/** Send a request; a status other than 2xx is a failure with the sentence and hint of the backend. */
export const send = (backend: Backend, request: Request): Effect.Effect<Response, CliFailure> =>
  Effect.gen(function*() {
    const url = new URL(backend.url.replace(/\/+$/, "") + request.path)
    for (const [name, value] of Object.entries({ ...request.query, tenant: backend.tenant })) {
      if (value !== undefined) url.searchParams.set(name, String(value))
    }
    const response = yield* Effect.tryPromise({
      try: (signal) =>
        fetch(url, {
          method: request.method,
          signal,
          // a token must not follow a redirect to somebody else
          redirect: "error",
          headers: {
            authorization: `Bearer ${Redacted.value(backend.token)}`,
            ...(request.body === undefined ? {} : { "content-type": request.body instanceof Uint8Array ? "application/x-ndjson" : "application/json" }),
            ...request.headers
          },
          ...(request.body === undefined ? {} : { body: request.body instanceof Uint8Array ? request.body : JSON.stringify(request.body) })
        }),
      catch: () => unreachable(backend)
    }).pipe(Effect.timeoutOrElse({ duration: request.timeoutMillis ?? answerTimeoutMillis, orElse: () => Effect.fail(silent(backend)) }))
    return response.ok ? response : yield* refusal(backend, response)
  })

/** The fields of a problem (RFC 9457) that reach a person. */
export const Problem = Schema.Struct({
  status: Schema.optionalKey(Schema.Finite),
  type: Schema.optionalKey(Schema.String),
  title: Schema.optionalKey(Schema.String),
  detail: Schema.optionalKey(Schema.String),
  hint: Schema.optionalKey(Schema.String)
})
const readProblem = Schema.decodeUnknownOption(Schema.fromJsonString(Problem))

/** Seconds that hints call a moment. */
const aMoment = 1

/** A problem as a failure; `status` where the problem names none. */
export const ofProblem = (backend: Backend, problem: typeof Problem.Type, status: number, retryAfter: string | null = null): CliFailure =>
  new CliFailure({
    kind: kindOfStatus(problem.status ?? status),
    type: problem.type ?? `http-${status}`,
    sentence: problem.detail ?? problem.title ?? `the ${backend.side} backend answered ${status}`,
    hint: sentences(problem.hint, retryAfter === null || Number(retryAfter) <= aMoment ? undefined : `Try again in ${retryAfter} s.`)
  })

const refusal = (backend: Backend, response: Response): Effect.Effect<never, CliFailure> =>
  Effect.gen(function*() {
    const text = yield* read(backend, () => response.text())
    const told = Option.getOrElse(readProblem(text), (): typeof Problem.Type => ({}))
    return yield* ofProblem(backend, told, response.status, response.headers.get("retry-after"))
  })

const read = <A>(backend: Backend, body: () => Promise<A>) => Effect.tryPromise({ try: body, catch: () => lost(backend) })

const parse = (text: string): Effect.Effect<unknown, CliFailure> =>
  Effect.try({ try: (): unknown => JSON.parse(text), catch: () => notUnderstood })

const unreachable = (backend: Backend) =>
  notReachable("not-reachable", `the ${backend.side} backend does not answer at ${backend.url}`, `See whether it still runs; start it with \`maestra ${backend.side} up\`.`)

const silent = (backend: Backend) =>
  notReachable("no-answer", `the ${backend.side} backend at ${backend.url} took the request and did not answer in time`, "Whether it was done is unknown: look first, then repeat.")

const lost = (backend: Backend) =>
  notReachable("connection-lost", `the connection to the ${backend.side} backend was lost in the middle of its answer`, "Look what is there, then repeat.")

/** Its answer has another shape than ours. */
export const notUnderstood = failed("not-understood", "the backend's answer is not one this version of maestra understands", "Restart the backend, so that both are of one version.")
