import { Clock, Context, Effect, Exit, Result, Schema, SchemaIssue } from "effect"
import { TelemetryEvent as TelemetryEventSchema } from "./events/telemetry.ts"
import { BackendId, Time } from "./ids.ts"
import { telemetryDepthMax, telemetryEventMaxBytes, traceparentMaxLength } from "./limits.ts"

export const TelemetryEvent = TelemetryEventSchema
export type TelemetryEvent = typeof TelemetryEventSchema.Type

/** The version telemetry events are written in. */
const telemetryDataschema = "maestra:telemetry:1"

/**
 * A telemetry event on its way: a CloudEvent whose `id` is the event's id and whose `type` its event type, both free
 * text. It has no stamp: telemetry is counted, never merged. `data` is plain on the machine it was emitted on, sealed elsewhere.
 */
export const TelemetryEnvelope = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: TelemetryEventSchema.fields.event_id,
  type: TelemetryEventSchema.fields.event_type,
  dataschema: Schema.Literal(telemetryDataschema),
  source: BackendId,
  time: Time,
  datacontenttype: Schema.Literals(["application/json", "application/jose"]),
  /** The trace of the batch it was emitted in, where traces are kept. */
  traceparent: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(traceparentMaxLength))),
  data: Schema.Unknown
})
export type TelemetryEnvelope = typeof TelemetryEnvelope.Type

/** What ingest says to telemetry it took: durable all of it, but for events nobody can accept. */
export const TelemetryStored = Schema.Struct({
  verdict: Schema.Literal("stored"),
  log_id: Schema.String,
  log_epoch: Schema.Int,
  rejected: Schema.Array(Schema.Struct({ event_id: Schema.String, error: Schema.String }))
})
export type TelemetryStored = typeof TelemetryStored.Type

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })
const readEvent = Schema.decodeUnknownResult(TelemetryEventSchema)
const readEnvelope = Schema.decodeUnknownResult(TelemetryEnvelope)

/** A telemetry event as somebody sent it, or why it is none. Bounded: 64 KiB as JSON, 32 levels deep. */
export const readTelemetry = (json: unknown): Result.Result<TelemetryEvent, string> => {
  // first, because neither the schema nor JSON.stringify survives a value a hundred thousand levels deep
  if (isTooDeep(json)) return Result.fail(`nested more than ${telemetryDepthMax} levels deep`)
  const read = readEvent(json)
  if (Result.isFailure(read)) return Result.fail(whyNot(read.failure))
  return encoder.encode(JSON.stringify(read.success)).length > telemetryEventMaxBytes
    ? Result.fail(`larger than ${telemetryEventMaxBytes} bytes`)
    : Result.succeed(read.success)
}

/** Stored bytes, as far as they can be read without a key. */
export const decodeTelemetry = (bytes: Uint8Array): Result.Result<TelemetryEnvelope, string> => {
  let json: unknown
  try {
    json = JSON.parse(decoder.decode(bytes))
  } catch {
    // the parser's own message would quote what somebody wrote
    return Result.fail("not JSON in UTF-8")
  }
  if (isTooDeep(json)) return Result.fail("nested too deep")
  return Result.mapError(readEnvelope(json), whyNot)
}

export const encodeTelemetry = (envelope: TelemetryEnvelope): Uint8Array => encoder.encode(JSON.stringify(envelope))

/** An event around which nothing is sealed yet. `time`: when it was taken in here. */
export const telemetryEnvelope = (event: TelemetryEvent, by: { readonly source: string; readonly time: string; readonly traceparent?: string | undefined }): TelemetryEnvelope => ({
  specversion: "1.0",
  id: event.event_id,
  type: event.event_type,
  dataschema: telemetryDataschema,
  source: by.source,
  time: by.time,
  datacontenttype: "application/json",
  ...(by.traceparent === undefined ? {} : { traceparent: by.traceparent }),
  data: event
})

/** Message id for the servers' duplicate windows: an id is free text, a header is one line of ASCII. */
export const telemetryMessageId = (peer: string, eventId: string): string => `${peer}:${encodeURIComponent(eventId)}`

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** What a schema found and where, without the value it found: a session id is nobody else's business. */
const whyNot = ({ issue }: Schema.SchemaError): string => {
  const [first] = issuesOf(issue).issues
  return `${(first?.path ?? []).map(String).join(".")}: ${(first?.message ?? "not as described").replace(/, (got|actual) .*$/s, "")}`.replace(/^: /, "").slice(0, 200)
}

const isTooDeep = (json: unknown): boolean => {
  let level: ReadonlyArray<unknown> = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > telemetryDepthMax) return true
    level = level.flatMap((value) => typeof value === "object" && value !== null ? Object.values(value) : [])
  }
  return false
}

/** What is told of something that happened; the rest of the event is filled in where it is stored. */
export interface TelemetryDraft {
  readonly event_type: string
  readonly session_id?: string
  readonly metadata?: TelemetryEvent["metadata"]
  readonly latency_ms?: number
  readonly tokens_used?: number
  readonly cost_usd?: number
  readonly model?: string
}

/** Takes telemetry from the program itself. Never waits and never fails: whoever is measured must not notice. */
export class TelemetrySink extends Context.Service<TelemetrySink, {
  readonly emit: (draft: TelemetryDraft) => Effect.Effect<void>
}>()("streams/TelemetrySink") {}

/**
 * Measure an effect: one telemetry event of that type at its end, with `latency_ms` and in the metadata how it ended
 * (`ok`, `failed`, `interrupted`). Its result, failure or interruption is passed on unchanged.
 *
 * @example withTelemetry("capture", { surface: "web" })(capture)
 */
export const withTelemetry = (type: string, metadata: TelemetryEvent["metadata"] = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | TelemetrySink> =>
    Effect.gen(function*() {
      const sink = yield* TelemetrySink
      const began = yield* Clock.currentTimeMillis
      return yield* Effect.onExit(effect, (exit) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          sink.emit({
            event_type: type,
            metadata: { ...metadata, outcome: Exit.isSuccess(exit) ? "ok" : Exit.hasInterrupts(exit) ? "interrupted" : "failed" },
            latency_ms: now - began
          })))
    })
