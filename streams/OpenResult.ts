import { Context, type Effect } from "effect"
import type { EventFromTheFuture, EventMalformed } from "./EventDefinition.ts"
import type { Envelope, Opened } from "./Envelope.ts"
import type { Result } from "effect"

/** This reader does not hold the data key the event is sealed under: erased, or not yet handed over. */
export interface KeyMissing {
  readonly _tag: "KeyMissing"
  readonly kid: string
}

export type OpenResult = Result.Result<Opened, EventMalformed | EventFromTheFuture | KeyMissing>

/** Turns sealed events into facts. Implemented in `src/security`; projections only know this. */
export class Opener extends Context.Service<Opener, {
  /** Open many at once: one call per batch keeps the hot path out of per-event overhead. */
  readonly openAll: (envelopes: ReadonlyArray<Envelope>) => Effect.Effect<ReadonlyArray<OpenResult>>
}>()("streams/Opener") {}
