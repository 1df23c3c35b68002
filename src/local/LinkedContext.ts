import type { Effect } from "effect"
import type { Settings } from "../../streams/events/settings.ts"
import type { Connection } from "../nats/Connection.ts"
import type { Cursor, EventLog, LogUnavailable } from "../nats/EventLog.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import type { CompanionStore } from "./companions.ts"
import type { Journal } from "./Journal.ts"
import type { PairedWith, PairingSecrets } from "./Pairing.ts"
import type { Heard } from "./State.ts"
import type { SyncTelemetry } from "./syncTelemetry.ts"
import type { TwinContext } from "./twins.ts"

/** What sending and reporting ask of a paired backend. */
export interface LinkedContext extends TwinContext {
  readonly connection: Connection
  readonly journalLog: EventLog
  readonly cursor: Cursor
  readonly journal: Journal
  readonly companions: CompanionStore
  readonly self: Signer
  readonly paired: () => PairedWith
  readonly secrets: () => PairingSecrets
  readonly settings: Effect.Effect<Settings>
  /** Which of these events the log holds already, and which were set aside: they are not sent again. */
  readonly known: (eventIds: ReadonlyArray<string>) => Effect.Effect<(eventId: string) => string | undefined>
  /** What commits take, for telemetry. */
  readonly synced: SyncTelemetry
  readonly withhold: (eventIds: ReadonlyArray<string>, why: string) => Effect.Effect<void>
  /** How far the tables have read the log, and the last valid record there. */
  readonly seen: () => { readonly log_seq: number; readonly head: string }
  /** The hosted side said how far the peers are. */
  readonly heardPositions: (positions: Heard["positions"]) => Effect.Effect<void>
  readonly mirrorReached: (seq: number) => Effect.Effect<void>
  /** Places in the log that do not verify, as the tables know them. */
  readonly damaged: Effect.Effect<number>
  /** What the mirror holds, until the hosted side has compared it with the log since this process started. */
  readonly mirrorUnchecked: Effect.Effect<{ readonly last_seq: number; readonly messages: number } | undefined, LogUnavailable>
  /** One that is whole as far as it goes is asked about again until it has come to the log's end. */
  readonly mirrorChecked: (whole: boolean, caughtUp: boolean) => Effect.Effect<void>
  /** Something shows that this data directory was restored or copied: compare the mirror once more. */
  readonly mirrorDoubted: () => void
  /** The tables count places in the epoch of the pairing: what they say is in the log is in that log. */
  readonly tablesInEpoch: Effect.Effect<void>
  /** The log over there is in another epoch, or is another log. */
  readonly logChanged: (id: string, epoch: number) => Effect.Effect<void>
  /** Whether it was renewed. */
  readonly renew: Effect.Effect<boolean>
  /** Journal ids: the present one, all of them, and opening a new one. */
  readonly journals: { readonly current: () => string; readonly all: () => ReadonlySet<string>; readonly openedHere: () => boolean; readonly open: (id: string) => Effect.Effect<void>; readonly forgive: () => void }
}
