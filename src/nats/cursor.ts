import { Effect, Schema, Stream } from "effect"
import type { Wire } from "./connect.ts"
import type { Cursor, LogUnavailable } from "./EventLog.ts"
import { api, type ApiError, codes, ConsumerInfo, Done, isCode } from "./jetStreamApi.ts"
import { countFrom, openingRetries, orderedRead, unavailable } from "./orderedReader.ts"

export interface CursorOptions {
  readonly stream: string
  readonly name: string
}

/**
 * A durable position in a stream, made at the beginning when it is not there yet.
 *
 * The position is the ack floor of a durable consumer (ack policy `all`), moved by JetStream's consumer reset, which
 * writes and syncs before it answers: it survives a killed server. (An ordinary acknowledgement, even a confirmed one,
 * is written up to 100 ms later.) Reading goes past that consumer, through one in memory, so nothing is ever
 * "delivered but not acknowledged" and a reader opened again starts at the position at once.
 */
export const openCursor = (wire: Wire, { name, stream }: CursorOptions): Effect.Effect<Cursor, LogUnavailable> => {
  const failed = unavailable(stream)
  const config = { durable_name: name, deliver_policy: "all", ack_policy: "all", replay_policy: "instant" }
  const make = api(wire, `CONSUMER.CREATE.${stream}.${name}`, { stream_name: stream, config }, Done)
  // deleted under us: a new one stands at the beginning, which is safe, and is moved by whoever knows better
  const evenIfDeleted = <A>(call: Effect.Effect<A, ApiError>) =>
    call.pipe(Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.andThen(make, call)), Effect.mapError(failed))
  const info = evenIfDeleted(api(wire, `CONSUMER.INFO.${stream}.${name}`, undefined, ConsumerInfo))
  const position = Effect.map(info, ({ ack_floor }) => ack_floor.stream_seq)
  const moveTo = (seq: number) => Effect.asVoid(evenIfDeleted(api(wire, `CONSUMER.RESET.${stream}.${name}`, { seq: seq + 1 }, ResetAnswer)))
  const cursor: Cursor = {
    position,
    pending: Effect.flatMap(position, (seq) => countFrom(wire, { stream, from: seq + 1 })),
    read: Stream.unwrap(Effect.map(Effect.retry(position, openingRetries), (seq) => orderedRead(wire, { stream, from: seq + 1 }))),
    ack: moveTo,
    moveTo
  }
  return make.pipe(Effect.as(cursor), Effect.mapError(failed))
}

const ResetAnswer = Schema.Struct({ reset_seq: Schema.Int })
