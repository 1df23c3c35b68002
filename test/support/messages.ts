import { Effect, Stream } from "effect"
import type { Append, EventLog, LogUnavailable, Stored } from "../../src/nats/EventLog.ts"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const message = (subject: string, body: string): Append => ({ subject, data: encoder.encode(body) })

/** Messages on `s.a` whose body is their number. */
export const numbered = (from: number, count: number): ReadonlyArray<Append> => range(from, count).map((n) => message("s.a", `${n}`))

export const range = (from: number, count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => from + i)

export const text = ({ data }: Stored): string => decoder.decode(data)

/** Sequence, subject and body in a line. */
export const shown = (event: Stored) => `${event.seq} ${event.subject} ${text(event)}`

export const collect = (stream: Stream.Stream<ReadonlyArray<Stored>, LogUnavailable>) => Effect.map(Stream.runCollect(stream), (batches) => batches.flat())

export const all = (log: EventLog) => collect(log.readRange({ from: 1, through: Number.MAX_SAFE_INTEGER }))

/** The first `count` events of a live stream. */
export const take = (stream: Stream.Stream<ReadonlyArray<Stored>, LogUnavailable>, count: number) => {
  let seen = 0
  return Effect.map(collect(Stream.takeUntil(stream, (events) => (seen += events.length) >= count)), (events) => events.slice(0, count))
}
