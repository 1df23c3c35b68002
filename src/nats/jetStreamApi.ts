import { Duration, Effect, Schema } from "effect"
import type { NoResponders, RequestTimedOut } from "./Connection.ts"
import type { Wire } from "./connect.ts"

/** JetStream answered no. Nothing was changed. `code` is its own error code (errors.json of nats-server). */
export class ApiRefused extends Schema.TaggedError<ApiRefused>()("ApiRefused", { code: Schema.Int, why: Schema.String }) {
  override get message() {
    return `${this.why} (${this.code})`
  }
}

export type ApiError = ApiRefused | NoResponders | RequestTimedOut

/** JetStream's error codes that mean something to us. */
export const codes = {
  consumerNotFound: 10014,
  noMessageFound: 10037,
  insufficientStorage: 10047,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  consumerOffline: 10119
} as const

const apiTimeout = Duration.seconds(5)

const Refusal = Schema.Struct({ error: Schema.Struct({ code: Schema.Int, err_code: Schema.optionalKey(Schema.Int), description: Schema.optionalKey(Schema.String) }) })
const isRefusal = Schema.is(Refusal)

/** One call of `$JS.API.<call>`: JSON there, JSON back, decoded by `answer`. An answer of another shape is a defect. */
export const api = <A, I>(wire: Wire, call: string, body: object | undefined, answer: Schema.Codec<A, I>, timeout = apiTimeout): Effect.Effect<A, ApiError> =>
  apiAt(wire, `$JS.API.${call}`, body, answer, timeout)

/** The same under another subject (a service imported from another account). */
export const apiAt = <A, I>(wire: Wire, subject: string, body: object | undefined, answer: Schema.Codec<A, I>, timeout = apiTimeout): Effect.Effect<A, ApiError> =>
  Effect.suspend(() => wire.ask({ subject, data: body === undefined ? empty : encoder.encode(JSON.stringify(body)), timeout })).pipe(
    Effect.flatMap((message) => {
      const json: unknown = JSON.parse(message.string())
      if (isRefusal(json)) return Effect.fail(new ApiRefused({ code: json.error.err_code ?? json.error.code, why: json.error.description ?? "" }))
      return Effect.orDie(Schema.decodeUnknownEffect(answer)(json))
    })
  )

const encoder = new TextEncoder()
const empty = new Uint8Array()

export const StreamInfo = Schema.Struct({
  created: Schema.String,
  config: Schema.Record(Schema.String, Schema.Json),
  state: Schema.Struct({ messages: Schema.Int, bytes: Schema.Int, first_seq: Schema.Int, last_seq: Schema.Int })
})

export const ConsumerInfo = Schema.Struct({
  created: Schema.String,
  config: Schema.Record(Schema.String, Schema.Json),
  ack_floor: Schema.Struct({ stream_seq: Schema.Int }),
  delivered: Schema.Struct({ stream_seq: Schema.Int }),
  /** On a cluster: the server it is on, none for a moment after it was made. */
  cluster: Schema.optionalKey(Schema.Struct({ leader: Schema.optionalKey(Schema.String) }))
})

/** For answers that say nothing beyond yes. */
export const Done = Schema.Struct({})

/** Does the server answer, and say that there is no such stream? */
export const isStreamGone = ({ cause }: { readonly cause: unknown }): boolean => cause instanceof ApiRefused && cause.code === codes.streamNotFound

export const isCode = (error: ApiError, code: number) => error._tag === "ApiRefused" && error.code === code
