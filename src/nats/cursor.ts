import { Effect, Schema, Stream } from "effect"
import type { Wire } from "./connect.ts"
import type { Cursor, LogUnavailable } from "./EventLog.ts"
import { api, ConsumerInfo, Done } from "./jetStreamApi.ts"
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
  const info = Effect.mapError(api(wire, `CONSUMER.INFO.${stream}.${name}`, undefined, ConsumerInfo), failed)
  const position = Effect.map(info, ({ ack_floor }) => ack_floor.stream_seq)
  const moveTo = (seq: number) =>
    api(wire, `CONSUMER.RESET.${stream}.${name}`, { seq: seq + 1 }, ResetAnswer).pipe(Effect.asVoid, Effect.mapError(failed))
  const cursor: Cursor = {
    position,
    pending: Effect.flatMap(position, (seq) => countFrom(wire, { stream, from: seq + 1 })),
    read: Stream.unwrap(Effect.map(Effect.retry(position, openingRetries), (seq) => orderedRead(wire, { stream, from: seq + 1 }))),
    ack: moveTo,
    moveTo
  }
  const config = { durable_name: name, deliver_policy: "all", ack_policy: "all", replay_policy: "instant" }
  return api(wire, `CONSUMER.CREATE.${stream}.${name}`, { stream_name: stream, config }, Done).pipe(Effect.as(cursor), Effect.mapError(failed))
}

const ResetAnswer = Schema.Struct({ reset_seq: Schema.Int })
