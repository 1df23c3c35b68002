import { Result, Schema } from "effect"

/** A stored version this build is too old to read. Park what it belongs to and say "update this device". */
export class EventFromTheFuture extends Schema.TaggedError<EventFromTheFuture>()("EventFromTheFuture", {
  type: Schema.String,
  stored: Schema.Int,
  newest: Schema.Int
}) {}

/** Stored bytes that do not match the schema they claim. Put aside with an alert, never drop. */
export class EventMalformed extends Schema.TaggedError<EventMalformed>()("EventMalformed", {
  type: Schema.String,
  stored: Schema.Int,
  why: Schema.String
}) {}

export type Decoded<A> = Result.Result<A, EventFromTheFuture | EventMalformed>

/** An event type: its name, its newest version, and how to read every version ever written. */
export interface EventDefinition<Type extends string, A> {
  readonly type: Type
  readonly version: number
  readonly schema: Schema.Codec<A, unknown>
  /** Read data stored as version `stored` into the newest shape. Fields a newer writer added are ignored. */
  readonly decode: (stored: number, data: unknown) => Decoded<A>
  /** The next, breaking version. `upcast` must be total: old data never becomes unreadable. */
  readonly evolve: <B>(next: Schema.Codec<B, unknown>, upcast: (old: A) => B) => EventDefinition<Type, B>
}

/** `quick` answers what the schema would, or `undefined`, and then the schema is asked (streams/quick.ts). */
export const event = <const Type extends string, A>(type: Type, schema: Schema.Codec<A, unknown>, quick?: (data: unknown) => NoInfer<A> | undefined): EventDefinition<Type, A> =>
  define(type, 1, schema, (stored) =>
    Result.fail(new EventMalformed({ type, stored, why: "versions count from 1" })), quick)

const define = <Type extends string, A>(
  type: Type,
  version: number,
  schema: Schema.Codec<A, unknown>,
  decodeOlder: (stored: number, data: unknown) => Decoded<A>,
  quick?: (data: unknown) => NoInfer<A> | undefined
): EventDefinition<Type, A> => {
  const read = Schema.decodeUnknownResult(schema)
  const decode = (stored: number, data: unknown): Decoded<A> => {
    if (stored > version) return Result.fail(new EventFromTheFuture({ type, stored, newest: version }))
    if (stored < version) return decodeOlder(stored, data)
    const known = quick?.(data)
    if (known !== undefined) return Result.succeed(known)
    return Result.mapError(read(data), (error) => new EventMalformed({ type, stored, why: error.message }))
  }
  return {
    type,
    version,
    schema,
    decode,
    evolve: (next, upcast) =>
      define(type, version + 1, next, (stored, data) => Result.map(decode(stored, data), upcast))
  }
}
