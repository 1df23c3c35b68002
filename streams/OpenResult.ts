import type { Result } from "effect"
import type { EventFromTheFuture, EventMalformed } from "./EventDefinition.ts"
import type { Opened } from "./Envelope.ts"

/** This reader does not hold the data key the event is sealed under: erased, or not yet handed over. */
export interface KeyMissing {
  readonly _tag: "KeyMissing"
  readonly kid: string
}

/** What became of opening one event of the log. `src/security/envelopes.ts` opens. */
export type OpenResult = Result.Result<Opened, EventMalformed | EventFromTheFuture | KeyMissing>
