import { Effect, Stream } from "effect"
import { tracedTelemetry } from "../../streams/tracing.ts"
import type { TelemetryEntry } from "../Entry.ts"
import type { Projections } from "../runner.ts"

/** The tables' position in the telemetry stream. */
export const telemetryCursor = "telemetry"

export interface TelemetryInput<Stored, E> {
  readonly info: Effect.Effect<{ readonly createdAt: string; readonly lastSeq: number }, E>
  readonly read: (options: { readonly from: number }) => Stream.Stream<ReadonlyArray<Stored>, E>
}

/**
 * Keep the telemetry tables in step with their stream until it fails, from their own position on.
 *
 * `entries`: what a batch of stored messages says, and how far it goes. A stream that is another one, or shorter than
 * what was read, is read from its beginning: events are recognised by their ids.
 */
export const followTelemetry = Effect.fnUntraced(function*<Stored, E>(
  projections: Projections["Service"],
  input: TelemetryInput<Stored, E>,
  entries: (batch: ReadonlyArray<Stored>) => { readonly entries: ReadonlyArray<TelemetryEntry>; readonly through: number }
) {
  const { createdAt, lastSeq } = yield* input.info
  const held = (yield* projections.positions).get(telemetryCursor)
  const isNew = held !== undefined && held.seq > 0 && (held.epoch !== createdAt || held.seq > lastSeq)
  if (isNew) yield* projections.newInput(telemetryCursor, createdAt).pipe(Effect.orDie)
  yield* input.read({ from: isNew ? 1 : (held?.seq ?? 0) + 1 }).pipe(
    Stream.map(entries),
    Stream.runForEach(({ entries, through }) =>
      projections.keepAbsorbing({ cursor: telemetryCursor, epoch: createdAt, entries, through }).pipe(tracedTelemetry("maestra.project", () => entries), Effect.orDie)))
})
