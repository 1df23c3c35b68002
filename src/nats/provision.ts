import { Effect, Option, Schema } from "effect"
import type { StreamDefinition } from "../../streams/definitions.ts"
import type { Wire } from "./connect.ts"
import { LogUnavailable } from "./EventLog.ts"
import { api, type ApiError, type ApiRefused, codes, Done, isCode, StreamInfo } from "./jetStreamApi.ts"
import { ownMetadata } from "./jetStreamLog.ts"
import { type ProvisionOptions, type StreamConfig, toJetStream } from "./toJetStream.ts"

/** The server does not take the stream as its row says. An existing stream, and what is in it, is unchanged. */
export class StreamRefused extends Schema.TaggedError<StreamRefused>()("StreamRefused", {
  stream: Schema.String,
  /** Settings that differ from the row; none when the stream was not there. */
  changed: Schema.Array(Schema.String),
  code: Schema.Int,
  why: Schema.String,
  hint: Schema.String
}) {}

export interface Provisioned {
  readonly created: boolean
  /** Settings brought into line with the row, in JetStream's words. */
  readonly changed: ReadonlyArray<string>
}

/** Make the row's stream, or bring an existing one into line. Safe to repeat, and for several processes at once. */
export const ensureStream = (wire: Wire, row: StreamDefinition, options: ProvisionOptions): Effect.Effect<Provisioned, StreamRefused | LogUnavailable> =>
  ensureConfig(wire, toJetStream(row, options))

export const ensureConfig = (wire: Wire, wanted: StreamConfig): Effect.Effect<Provisioned, StreamRefused | LogUnavailable> => {
  const stream = wanted.name
  const attempt = Effect.gen(function*() {
    const there = yield* findStream(wire, stream)
    if (Option.isNone(there)) {
      yield* api(wire, `STREAM.CREATE.${stream}`, wanted, Done).pipe(Effect.mapError((error) => refused(stream, [], error)))
      return { created: true, changed: [] }
    }
    const { config } = there.value
    const changed = differences(config, wanted)
    if (changed.length === 0) return { created: false, changed }
    const metadata = { ...wanted.metadata, ...ownMetadata(config["metadata"]) }
    yield* api(wire, `STREAM.UPDATE.${stream}`, { ...config, ...wanted, metadata }, Done).pipe(Effect.mapError((error) => refused(stream, changed, error)))
    return { created: false, changed }
  })
  // Somebody else made it between our look and our create.
  return Effect.retry(attempt, { times: 2, while: (error) => error._tag === "StreamRefused" && error.code === codes.streamNameInUse })
}

export const findStream = (wire: Wire, stream: string): Effect.Effect<Option.Option<typeof StreamInfo.Type>, LogUnavailable> =>
  api(wire, `STREAM.INFO.${stream}`, undefined, StreamInfo).pipe(
    Effect.asSome,
    Effect.catchIf((error) => isCode(error, codes.streamNotFound), () => Effect.succeed(Option.none<typeof StreamInfo.Type>())),
    Effect.mapError((cause) => new LogUnavailable({ stream, cause }))
  )

/** Remove a stream and all it holds, for good. */
export const deleteStream = (wire: Wire, stream: string): Effect.Effect<void, LogUnavailable> =>
  api(wire, `STREAM.DELETE.${stream}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.streamNotFound), () => Effect.void),
    Effect.mapError((cause) => new LogUnavailable({ stream, cause })),
    Effect.asVoid)

/** Wanted settings an existing stream has otherwise. The server leaves out what is false, zero or empty. */
export const differences = (config: Readonly<Record<string, Schema.Json>>, wanted: StreamConfig): ReadonlyArray<string> =>
  Object.entries(wanted).filter(([key, value]) => {
    const is = config[key]
    if (key === "metadata") return Object.keys(wanted.metadata ?? {}).some((name) => !(name in ownMetadata(is)))
    return JSON.stringify(is ?? blankLike(value)) !== JSON.stringify(value)
  }).map(([key]) => key)

const blankLike = (value: unknown) => typeof value === "boolean" ? false : typeof value === "number" ? 0 : typeof value === "string" ? "" : undefined

const refused = (stream: string, changed: ReadonlyArray<string>, error: ApiError) =>
  error._tag === "ApiRefused"
    ? new StreamRefused({ stream, changed, code: error.code, why: error.why, hint: hintOf(stream, changed, error) })
    : new LogUnavailable({ stream, cause: error })

const hintOf = (stream: string, changed: ReadonlyArray<string>, { code }: ApiRefused) =>
  code === codes.insufficientStorage
    ? `The server has not enough disk for ${stream}: give it more, or set a smaller size limit.`
    : changed.length > 0
    ? `${stream} exists with other settings (${changed.join(", ")}) that cannot be changed in place: export its data, delete the stream and start again, or run the version that made it.`
    : `The server cannot make ${stream}: see its log, and check that JetStream is on and its version is 2.15.1 or newer.`
