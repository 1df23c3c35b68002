import type { Effect } from "effect"
import type { Opened } from "../streams/Envelope.ts"
import type { CommitEntry, ProblemEntry, Shared, TelemetryEntry } from "./Entry.ts"
import type { Transaction } from "./Sqlite.ts"
import type { SqliteFailed } from "./SqliteFailed.ts"

/** An event met for the first time. `ref` is its number in this file, the same in every table. */
export interface NewEvent {
  readonly ref: number
  readonly tenant: number
  /** Its place in the log, when it has one. */
  readonly seq: number | null
  /** Why it stays on this machine, if it does. */
  readonly withheld: string | null
  readonly opened: Opened
  readonly shared: Shared | undefined
}

/** A known event whose shared form, or place, became known. */
export interface Placed {
  readonly ref: number
  readonly tenant: number
  readonly shared: Shared
}

/** What one offered batch says that was not known before, tenants as numbers. */
export interface Batch {
  readonly events: ReadonlyArray<NewEvent>
  readonly placed: ReadonlyArray<Placed>
  /** Refs of known events that turned out to stay here for good. */
  readonly withheld: ReadonlyArray<number>
  readonly commits: ReadonlyArray<CommitEntry & { readonly tenantId: number }>
  readonly problems: ReadonlyArray<ProblemEntry & { readonly tenantId: number }>
  /** As read: an event may come again, with another `seq`. */
  readonly telemetry: ReadonlyArray<TelemetryEntry & { readonly tenantId: number }>
}

/**
 * A read model kept in tables. `absorb` takes a batch inside the transaction that moves the cursor;
 * every batch has only new things in it. Cost is in the batch's size, never in what was there before.
 */
export interface Projection {
  readonly name: string
  /** Raise it when the tables or their meaning change: a file with another number is emptied and read anew. */
  readonly shape: number
  /** One statement each. */
  readonly ddl: ReadonlyArray<string>
  readonly absorb: (tx: Transaction, batch: Batch) => Effect.Effect<void, SqliteFailed>
  /** Remove everything of a tenant that was erased. */
  readonly forget: (tx: Transaction, tenant: number) => Effect.Effect<void, SqliteFailed>
}
