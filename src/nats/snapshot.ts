import { createInbox, type Msg } from "@nats-io/transport-node"
import { Cause, Duration, Effect, Queue, Schema, Stream } from "effect"
import type { Wire } from "./connect.ts"
import { type LogInfo, LogUnavailable } from "./EventLog.ts"
import { api, type ApiError, Done, StreamInfo } from "./jetStreamApi.ts"
import { toLogInfo } from "./jetStreamLog.ts"
import { unavailable } from "./orderedReader.ts"

/** What a snapshot must be restored with, in the server's own words, kept as they came. */
export const SnapshotHead = Schema.Struct({
  config: Schema.Record(Schema.String, Schema.Json),
  state: Schema.Record(Schema.String, Schema.Json)
})
export type SnapshotHead = typeof SnapshotHead.Type

/** The server refused the stream's snapshot, or what came of it is not what was saved. The stream is not to be used. */
export class RestoreFailed extends Schema.TaggedError<RestoreFailed>()("RestoreFailed", { stream: Schema.String, why: Schema.String, hint: Schema.String }) {}

/** Bytes of one piece: far below `max_payload`, and few enough round trips. */
const chunkBytes = 256 * 1024
/** Bytes on their way or waiting here for their reader: the server sends no more before some are acknowledged. */
const windowBytes = 8 * 1024 * 1024
/** No piece for so long: the server or the link is gone. */
const silenceMax = Duration.seconds(30)
/**
 * Bytes of one piece of a restore. The server gives a restore up that has not taken a piece within five seconds, and it
 * syncs each message of it by itself.
 */
const restoreChunkBytes = 64 * 1024
/** On a cluster a new stream chooses its leader first, which takes nats-server nine seconds where the first election fails. */
const beginMax = Duration.seconds(30)
const finishMax = Duration.minutes(5)

/** Names of all streams of the account, sorted. */
export const streamNames = (wire: Wire): Effect.Effect<ReadonlyArray<string>, LogUnavailable> =>
  Effect.gen(function*() {
    const all: Array<string> = []
    for (;;) {
      const { streams, total } = yield* api(wire, "STREAM.NAMES", { offset: all.length }, Names)
      all.push(...streams ?? [])
      if (all.length >= total || (streams ?? []).length === 0) return all.sort()
    }
  }).pipe(Effect.mapError(unavailable("*")))

const Names = Schema.Struct({ total: Schema.Int, streams: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String))) })

/**
 * A stream as it is at one moment, by JetStream's own snapshot: its head, and its bytes (tar, compressed by the server).
 * Appends go on meanwhile. Consumers are left out: their positions count in the log they were made for.
 * A stream that ends without failing is whole.
 */
export const snapshotStream = Effect.fn("snapshotStream")(function*(wire: Wire, stream: string) {
  const chunks = yield* Queue.unbounded<{ readonly data: Uint8Array; readonly reply: string }, LogUnavailable | Cause.Done>()
  const inbox = createInbox(wire.inboxPrefix)
  const failed = (why: string) => new LogUnavailable({ stream, cause: new Error(why) })
  const arrived = (message: Msg) => {
    if (message.data.length > 0) return void Queue.offerUnsafe(chunks, { data: message.data, reply: message.reply ?? "" })
    const { code = 0, description = "" } = message.headers ?? {}
    if (code === wholeCode || code === 0) Queue.endUnsafe(chunks)
    else Queue.failCauseUnsafe(chunks, Cause.fail(failed(`the snapshot was given up: ${code} ${description}`)))
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => wire.nats.subscribe(inbox, { callback: (error, message) => error === null ? arrived(message) : void Queue.failCauseUnsafe(chunks, Cause.fail(failed(error.message))) })),
    (subscription) => Effect.sync(() => subscription.unsubscribe())
  )
  const request = { deliver_subject: inbox, no_consumers: true, chunk_size: chunkBytes, window_size: windowBytes }
  const head = yield* api(wire, `STREAM.SNAPSHOT.${stream}`, request, SnapshotHead).pipe(Effect.mapError(unavailable(stream)))
  const bytes = Stream.fromQueue(chunks).pipe(
    Stream.timeoutOrElse({ duration: silenceMax, orElse: () => Stream.fail(failed("the snapshot stopped in the middle")) }),
    // acknowledged when it is taken, not when it arrives: a slow reader slows the server down
    Stream.map(({ data, reply }) => {
      if (reply !== "") wire.nats.publish(reply)
      return data
    }))
  return { head, bytes }
})

/** How the server ends a snapshot that is whole. */
const wholeCode = 204

/** How many messages and bytes a snapshot holds, and up to which sequence. */
export const snapshotState = (head: SnapshotHead) => Schema.decodeUnknownOption(StreamInfo.fields.state)(head.state)

/**
 * Make a stream again from its snapshot. It must not exist. All or nothing: a snapshot that does not arrive whole, or
 * that the server finds damaged, leaves no stream. Returns what the server then holds.
 */
export const restoreStream = Effect.fn("restoreStream")(function*<E>(wire: Wire, stream: string, head: SnapshotHead, bytes: Stream.Stream<Uint8Array, E>) {
  const { deliver_subject } = yield* api(wire, `STREAM.RESTORE.${stream}`, head, Restoring, beginMax).pipe(Effect.mapError(refused(stream)))
  // a restore that breaks off, or that the server finds damaged at its end, leaves a stream of what came before
  yield* Effect.addFinalizer((exit) => exit._tag === "Success" ? Effect.void : Effect.ignore(api(wire, `STREAM.DELETE.${stream}`, undefined, Done)))
  // of three servers one was meant to take it, and another was elected: that one made an empty stream
  if (deliver_subject === undefined) return yield* new LogUnavailable({ stream, cause: new Error("another server leads the new stream than was meant to") })
  const send = (data: Uint8Array, timeout: Duration.Duration) =>
    wire.ask({ subject: deliver_subject, data, timeout }).pipe(Effect.mapError((cause) => new LogUnavailable({ stream, cause })))
  const told = (answer: Msg): Effect.Effect<void, RestoreFailed> => {
    const error = answer.data.length === 0 ? undefined : answer.json<{ readonly error?: { readonly description?: string } }>().error
    return error === undefined ? Effect.void : Effect.fail(notRestored(stream, error.description ?? "for no reason given"))
  }
  yield* bytes.pipe(
    Stream.mapEffect((chunk) => Effect.forEach(pieces(chunk), (piece) => Effect.flatMap(send(piece, silenceMax), told), { discard: true })),
    Stream.runDrain
  )
  yield* Effect.flatMap(send(new Uint8Array(), finishMax), told)
  const info: LogInfo = toLogInfo(yield* api(wire, `STREAM.INFO.${stream}`, undefined, StreamInfo).pipe(Effect.mapError(refused(stream))))
  return info
}, Effect.scoped)

const Restoring = Schema.Struct({ deliver_subject: Schema.optionalKey(Schema.String) })

function* pieces(chunk: Uint8Array) {
  for (let at = 0; at < chunk.length; at += restoreChunkBytes) yield chunk.subarray(at, at + restoreChunkBytes)
}

const refused = (stream: string) => (error: ApiError) =>
  error._tag === "ApiRefused" ? notRestored(stream, error.message) : new LogUnavailable({ stream, cause: error })

const notRestored = (stream: string, why: string) =>
  new RestoreFailed({ stream, why, hint: `The nats-server did not take the backup of ${stream}: use the version the backup was made with, or a newer one, and see that the disk has room.` })
