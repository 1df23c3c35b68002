import type { Effect } from "effect"
import type { Peer } from "../../projections/peers/apply.ts"
import type { Committed } from "../../projections/syncState/queries.ts"
import type { Shared } from "../../projections/Entry.ts"
import type { Settings } from "../../streams/events/settings.ts"
import type { AuthorEntry } from "../security/AuthorKeys.ts"
import type { ChainHead } from "../security/LogReader.ts"

/** What the local backend asks of its own tables, in its own words. `tablesOf` answers from the projections. */
export interface Tables {
  readonly heads: Effect.Effect<ReadonlyArray<readonly [tenant: string, author: string, head: ChainHead]>>
  readonly keys: Effect.Effect<ReadonlyArray<readonly [tenant: string, author: string, entry: AuthorEntry]>>
  readonly settings: Effect.Effect<Settings>
  readonly greatestLamport: Effect.Effect<number>
  /** For each event that need not be sent: why (in the log already, or set aside). */
  readonly notToSend: (eventIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, string>>
  /** Is one of these neither in the log, as far as it was read, nor withheld? */
  readonly lacks: (eventIds: ReadonlyArray<string>) => Effect.Effect<boolean>
  /** The epoch of the log in which all that was sent was found, or sent again: kept with the tables, and gone with them. */
  readonly comparedIn: Effect.Effect<string | undefined>
  readonly keepCompared: (epoch: string) => Effect.Effect<void>
  /** Places in the log where something is wrong. */
  readonly problemPlaces: Effect.Effect<ReadonlySet<number>>
  /** Our own forms of events: what was written here. Only those that were written here. */
  readonly ownForms: (eventIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, Shared>>
  /** Which of these events are here, and whether they were written here. */
  readonly held: (eventIds: ReadonlyArray<string>) => Effect.Effect<ReadonlyMap<string, boolean>>
  /** Conversations that retention took something from, by their name in the log, and up to which place. */
  readonly expired: Effect.Effect<ReadonlyArray<{ readonly conversation: string; readonly before: number }>>
  readonly counts: Effect.Effect<{ readonly conversations: number; readonly messages: number; readonly conflicts: number; readonly quarantined: number; readonly setAside: number }>
  readonly digest: Effect.Effect<string>
  /** Keep what the hosted side said of the peers' places: the tiers of messages follow from them. */
  readonly keepPositions: (positions: ReadonlyArray<{ readonly peer_id: string; readonly log_seq: number; readonly seen_at: string }>) => Effect.Effect<void>
  /** Events that a disallowed surface keeps here. */
  readonly withheld: Effect.Effect<ReadonlySet<string>>
  readonly isRevoked: (peer: string) => Effect.Effect<boolean>
  /** How much of each author lies in the log, as far as it was read. */
  readonly committed: Effect.Effect<ReadonlyArray<Committed>>
  /** Places in the log that do not hold. */
  readonly quarantined: Effect.Effect<number>
  /** Devices of this person that ever registered. */
  readonly peers: Effect.Effect<ReadonlyArray<Peer>>
  /** How far the log was read when its newest settings were. */
  readonly settingsSeq: Effect.Effect<number>
  /** The newest hundred. */
  readonly problems: Effect.Effect<ReadonlyArray<{ readonly seq: number; readonly what: string; readonly detail: string }>>
}
