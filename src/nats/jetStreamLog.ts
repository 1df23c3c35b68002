import { Duration, Effect, Option, Schema, Semaphore, Stream } from "effect"
import { count, observe, timed } from "../../streams/metrics.ts"
import type { Wire } from "./connect.ts"
import type { EventLog, LogInfo, Stored } from "./EventLog.ts"
import { api, codes, Done, isCode, StreamInfo } from "./jetStreamApi.ts"
import { openingRetries, orderedRead, unavailable } from "./orderedReader.ts"
import { appendBatch, appendOne } from "./publishing.ts"

/** Batches in flight from one log handle: the server takes 50 per stream from all its clients together. */
const batchesInFlightMax = 8

/** One message. While a stream has no leader nobody answers: ask again soon, for then there may be one. */
const readTimeout = Duration.seconds(2)

/**
 * `EventLog` on a JetStream stream, which must exist (`ensureStream`). Stateless: make as many as you like.
 *
 * @param arriving the subject a message for this stream is published on, where that is not the one it is kept under
 */
export const jetStreamLog = (wire: Wire, stream: string, arriving?: (subject: string) => string): EventLog => {
  const inFlight = Semaphore.makeUnsafe(batchesInFlightMax)
  const failed = unavailable(stream)
  const get = (query: object) =>
    api(wire, `STREAM.MSG.GET.${stream}`, query, MessageAnswer, readTimeout).pipe(
      Effect.map(({ message }) => Option.some(toStored(message))),
      Effect.catchIf((error) => isCode(error, codes.noMessageFound), () => Effect.succeed(Option.none<Stored>())),
      Effect.mapError(failed)
    )
  const streamInfo = api(wire, `STREAM.INFO.${stream}`, undefined, StreamInfo)
  const info = Effect.mapError(Effect.map(streamInfo, toLogInfo), failed)

  return {
    name: stream,
    append: (given) => {
      const batch = arriving === undefined ? given : given.map((message) => ({ ...message, subject: arriving(message.subject) }))
      const [only] = batch
      if (only === undefined) return Effect.die(new RangeError("an append of nothing"))
      return (batch.length === 1 ? appendOne(wire, stream, only) : inFlight.withPermits(1)(appendBatch(wire, stream, batch))).pipe(
        timed("maestra_append_duration_seconds", { stream }),
        Effect.tap(() => Effect.sync(() => observe("maestra_append_messages", { stream }, batch.length))),
        Effect.tapError(({ _tag }) => Effect.sync(() => count("maestra_append_failures_total", { stream, reason: _tag }))))
    },
    last: (subject) => get({ last_by_subj: subject }),
    get: (seq) => get({ seq }),
    read: (options) => orderedRead(wire, { stream, ...options }),
    readRange: ({ filter, from, on, through }) =>
      Stream.unwrap(Effect.map(Effect.retry(info, openingRetries), ({ lastSeq }) => {
        const end = Math.min(through, lastSeq)
        return Math.max(1, from) > end ? Stream.empty : orderedRead(wire, { stream, from, through: end, ...(filter !== undefined && { filter }), ...(on !== undefined && { on }) })
      })),
    subjects: (pattern) => Effect.mapError(subjectsOf(wire, stream, pattern), failed),
    info,
    // JetStream has no compare-and-set here: of two at the same moment one may win alone.
    setMetadata: (entries) =>
      streamInfo.pipe(
        Effect.flatMap(({ config }) =>
          api(wire, `STREAM.UPDATE.${stream}`, { ...config, metadata: { ...ownMetadata(config["metadata"]), ...entries } }, Done)
        ),
        Effect.asVoid,
        Effect.mapError(failed)
      ),
    purgeAll: api(wire, `STREAM.PURGE.${stream}`, {}, Purged).pipe(Effect.map(({ purged }) => purged), Effect.mapError(failed)),
    purge: ({ before, subject }) =>
      api(wire, `STREAM.PURGE.${stream}`, { filter: subject, ...(before !== undefined && { seq: before }) }, Purged).pipe(
        Effect.map(({ purged }) => purged),
        Effect.mapError(failed)
      )
  }
}

/** The server tells of 100,000 subjects at once; a page begins where the one before ended. */
const subjectsOf = (wire: Wire, stream: string, pattern: string) =>
  Effect.gen(function*() {
    const all = new Map<string, number>()
    for (;;) {
      const { state: { subjects = {} }, total } = yield* api(wire, `STREAM.INFO.${stream}`, { subjects_filter: pattern, offset: all.size }, SubjectsPage)
      for (const [subject, messages] of Object.entries(subjects)) all.set(subject, messages)
      if (total === undefined || all.size >= total || Object.keys(subjects).length === 0) return all
    }
  })

const SubjectsPage = Schema.Struct({
  total: Schema.optionalKey(Schema.Int),
  state: Schema.Struct({ subjects: Schema.optionalKey(Schema.Record(Schema.String, Schema.Int)) })
})

/** What JetStream's stream information says, in our words. */
export const toLogInfo = ({ config, created, state }: typeof StreamInfo.Type): LogInfo => ({
  createdAt: created,
  firstSeq: state.first_seq,
  lastSeq: state.last_seq,
  messages: state.messages,
  bytes: state.bytes,
  metadata: ownMetadata(config["metadata"])
})

/** Without what the server itself notes there (`_nats.*`), which it does not want back. */
export const ownMetadata = (metadata: Schema.Json | undefined): Readonly<Record<string, string>> =>
  Option.match(decodeMetadata(metadata), {
    onNone: () => ({}),
    onSome: (entries) => Object.fromEntries(Object.entries(entries).filter(([key]) => !key.startsWith("_nats.")))
  })

const decodeMetadata = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.String))

const Message = Schema.Struct({ subject: Schema.String, seq: Schema.Int, data: Schema.optionalKey(Schema.String), time: Schema.String })
const MessageAnswer = Schema.Struct({ message: Message })
const Purged = Schema.Struct({ purged: Schema.Int })

const toStored = ({ data, seq, subject, time }: typeof Message.Type): Stored => ({
  seq,
  subject,
  data: data === undefined ? new Uint8Array() : new Uint8Array(Buffer.from(data, "base64")),
  time: Date.parse(time)
})
