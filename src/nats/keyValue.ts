import { Effect, Option, Schema, Stream } from "effect"
import type { Wire } from "./connect.ts"
import type { Append, AppendError, EventLog, LogUnavailable, Stored } from "./EventLog.ts"
import { jetStreamLog } from "./jetStreamLog.ts"
import { makeMemoryLog } from "./memoryLog.ts"
import { openingRetries } from "./orderedReader.ts"
import { ensureConfig, type StreamRefused } from "./provision.ts"
import { appendOne } from "./publishing.ts"
import { bucketToJetStream, type ShortBucket } from "./toJetStream.ts"

/** Somebody else wrote the key since the revision we saw (or it is there already). Nothing was written: read, decide again. */
export class KeyConflict extends Schema.TaggedError<KeyConflict>()("KeyConflict", { bucket: Schema.String, key: Schema.String }) {}

/** The store cannot be reached, or is full. Whether a write happened is unknown: read before repeating. */
export class KeyValueUnavailable extends Schema.TaggedError<KeyValueUnavailable>()("KeyValueUnavailable", { bucket: Schema.String, cause: Schema.Defect() }) {}

export interface Entry {
  readonly value: Uint8Array
  /** What `update` must name; rises with every write in the bucket. */
  readonly revision: number
}

export type KeyChange =
  /** `value` undefined: deleted. */
  | { readonly _tag: "change"; readonly key: string; readonly value: Uint8Array | undefined; readonly revision: number }
  /** Everything before this is the state at the start of the watch; comes once. */
  | { readonly _tag: "ready" }

/** Small mutable state: one value per key, the newest only. Keys are tokens joined by dots; values are never empty. */
export interface KeyValue {
  readonly get: (key: string) => Effect.Effect<Option.Option<Entry>, KeyValueUnavailable>
  /** Only if the key is not there, or deleted. Returns the revision. */
  readonly create: (key: string, value: Uint8Array) => Effect.Effect<number, KeyConflict | KeyValueUnavailable>
  /** Only if the key's revision is still this one. Returns the new revision. */
  readonly update: (key: string, value: Uint8Array, revision: number) => Effect.Effect<number, KeyConflict | KeyValueUnavailable>
  /** Whatever its revision, and also if it is not there. */
  readonly delete: (key: string) => Effect.Effect<void, KeyValueUnavailable>
  readonly keys: Effect.Effect<ReadonlyArray<string>, KeyValueUnavailable>
  /** The state now, then `ready`, then every change as it happens. Survives reconnects; a change may hide ones before it of the same key. */
  readonly watch: Stream.Stream<KeyChange, KeyValueUnavailable>
}

/** A JetStream key-value bucket as other clients know it, made when it is not there. With `ageMax`: in memory, for so long. */
export const jetStreamKeyValue = (
  wire: Wire,
  { ageMax, bucket, replicas, whenFull }: { readonly bucket: string; readonly replicas: number } & Partial<ShortBucket>
): Effect.Effect<KeyValue, StreamRefused | LogUnavailable> => {
  const config = bucketToJetStream(bucket, replicas, ageMax === undefined ? undefined : { ageMax, ...(whenFull && { whenFull }) })
  const erase = (message: Append) => appendOne(wire, config.name, message, "KV-Operation: DEL\r\n")
  return Effect.as(ensureConfig(wire, config), keyValueOn(jetStreamLog(wire, config.name), bucket, erase))
}

export const makeMemoryKeyValue = (bucket: string): Effect.Effect<KeyValue> =>
  Effect.map(makeMemoryLog(`KV_${bucket}`, { newestOnly: true }), (log) => memoryKeyValue(log, bucket))

/** A bucket on a memory log that keeps the newest message of each subject only. */
export const memoryKeyValue = (log: EventLog, bucket: string): KeyValue => keyValueOn(log, bucket, (message) => log.append([message]))

/** A bucket is a log that keeps the newest message per key; an empty message is a deletion. */
const keyValueOn = (log: EventLog, bucket: string, erase: (message: Append) => Effect.Effect<unknown, AppendError>): KeyValue => {
  const prefix = `$KV.${bucket}.`
  const unavailable = (cause: unknown) => new KeyValueUnavailable({ bucket, cause })
  const newest = (key: string) => Effect.mapError(log.last(subjectOf(prefix, key)), unavailable)
  const write = (key: string, data: Uint8Array, expectedLast: number) => {
    if (data.length === 0) return Effect.die(new RangeError("an empty value means deleted"))
    return log.append([{ subject: subjectOf(prefix, key), data, expectedLast }]).pipe(
      Effect.map(({ last }) => last),
      Effect.mapError((error) => error._tag === "LogFenced" ? new KeyConflict({ bucket, key }) : unavailable(error))
    )
  }
  const toChange = ({ data, seq, subject }: Stored): KeyChange => ({
    _tag: "change",
    key: subject.slice(prefix.length),
    value: data.length === 0 ? undefined : data,
    revision: seq
  })
  return {
    get: (key) => Effect.map(newest(key), (found) => Option.map(Option.filter(found, isThere), ({ data, seq }) => ({ value: data, revision: seq }))),
    create: (key, value) =>
      Effect.flatMap(newest(key), (found) =>
        Option.isSome(found) && isThere(found.value)
          ? Effect.fail(new KeyConflict({ bucket, key }))
          : write(key, value, Option.match(found, { onNone: () => 0, onSome: ({ seq }) => seq }))),
    update: write,
    delete: (key) => Effect.asVoid(Effect.mapError(erase({ subject: subjectOf(prefix, key), data: new Uint8Array() }), unavailable)),
    keys: log.readRange({ from: 1, through: Number.MAX_SAFE_INTEGER }).pipe(
      Stream.runFold((): Array<string> => [], (keys, events) => {
        for (const event of events) if (isThere(event)) keys.push(event.subject.slice(prefix.length))
        return keys
      }),
      Effect.mapError(unavailable)
    ),
    watch: Stream.unwrap(Effect.map(Effect.retry(log.info, openingRetries), ({ lastSeq }) =>
      Stream.concat(
        Stream.concat(log.readRange({ from: 1, through: lastSeq }).pipe(Stream.map((events) => events.map(toChange))), Stream.make<[ReadonlyArray<KeyChange>]>([{ _tag: "ready" }])),
        log.read({ from: lastSeq + 1 }).pipe(Stream.map((events) => events.map(toChange)))
      )
    )).pipe(Stream.flattenIterable, Stream.mapError(unavailable))
  }
}

const isThere = ({ data }: Stored) => data.length > 0

const subjectOf = (prefix: string, key: string): string => {
  if (!/^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$/.test(key)) throw new RangeError(`not a key: ${JSON.stringify(key)}`)
  return prefix + key
}
