import type { Projection } from "../../projections/Projection.ts"
import { allProjections } from "../../projections/projections.ts"
import type { Sqlite } from "../../projections/Sqlite.ts"
import type { Cursor, EventLog } from "../../src/nats/EventLog.ts"

/** Said of messages at or above `from`: they are not on the disk before `millis` have passed. */
export type Unsynced = (from: number, millis: number) => void

/** Where a backend's ports come together: a planted bug stands in between at one of these places. */
export interface Wiring {
  readonly journal: (log: EventLog, unsynced: Unsynced) => EventLog
  /** The relay's position in the journal. */
  readonly cursor: (cursor: Cursor) => Cursor
  /** And in what it emitted of telemetry. */
  readonly telemetryCursor: (cursor: Cursor) => Cursor
  readonly log: (log: EventLog) => EventLog
  readonly sqlite: (sqlite: Sqlite["Service"]) => Sqlite["Service"]
  readonly projections: ReadonlyArray<Projection>
}

export const asItIs: Wiring = {
  journal: (log) => log,
  cursor: (cursor) => cursor,
  telemetryCursor: (cursor) => cursor,
  log: (log) => log,
  sqlite: (sqlite) => sqlite,
  projections: allProjections
}
