import { Context, type Effect, Schema, type Stream } from "effect"
import type { Fact } from "./catalog.ts"
import type { BackupPlace, BackupPlan, BackupRow } from "./Backup.ts"
import { ErasureReceipt } from "./ErasureReceipt.ts"
import type { Identity } from "./events/peer.ts"
import type { Stamp } from "./Stamp.ts"
import type { Verdict } from "./Verdict.ts"
import type { RegisterPeer, Registered } from "./Registration.ts"

/**
 * What a gateway asks of the backend behind it. `src/local` and `src/hosted` implement these;
 * `src/gateway` only knows this file, so both sides speak the same HTTP.
 */

/** The tenant of a local backend in its own tables: it has only one person. */
export const selfTenant = "self"

/** The store refuses new writes until there is room. Nothing was written; reading goes on. */
export class StoreFull extends Schema.TaggedError<StoreFull>()("StoreFull", { hint: Schema.String }) {}

/** The store cannot be reached. Whether the write happened is unknown: read, then repeat with the same ids. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", { hint: Schema.String }) {}

/** The write breaks a limit or its schema. Nothing was written; mend it and send it again. */
export class WriteInvalid extends Schema.TaggedError<WriteInvalid>()("WriteInvalid", { why: Schema.String, hint: Schema.String }) {}

export type WriteError = StoreFull | StoreUnavailable | WriteInvalid

/** A fact somebody wants recorded, before it has a stamp. `subject` is the conversation (or peer, or `settings`). */
export interface Draft {
  readonly fact: Fact
  readonly subject: string
  readonly surface: string
  readonly sessionid?: string
  readonly traceparent?: string
  readonly via?: string
  /** The event's id where the caller derives it (idempotent re-sends); a fresh UUID v7 otherwise. */
  readonly id?: string
}

/** A recorded fact. `position` is the journal sequence on local, the log sequence on hosted. */
export interface Written {
  readonly id: string
  readonly stamp: Stamp
  readonly position: number
}

/** How far a write has come: fsynced here, committed by hosted, reported by every peer seen in 30 days. */
export type Tier = "local" | "hosted" | "everywhere"

export interface Reached {
  readonly tier: Tier
  /** Peers whose report is still missing, when `everywhere` was asked and not reached. */
  readonly missing: ReadonlyArray<string>
}

/** The write path: validate, stamp, append, answer after the fsynced acknowledgement. All drafts or none. */
export class Writer extends Context.Service<Writer, {
  /** What an id its caller chose is called in this side's tables: on hosted, ids that are no tokens or hold PII are shared as `h_…`. */
  readonly named: (tenant: string, id: string) => string
  readonly write: (tenant: string, drafts: ReadonlyArray<Draft>) => Effect.Effect<ReadonlyArray<Written>, WriteError>
  /** Returns once the projections hold everything acknowledged to this process's callers: a writer reads its own write. */
  readonly settled: (tenant: string) => Effect.Effect<void>
  /** Wait until the writes reached `tier`, `timeoutMillis` at most; says how far they came. */
  readonly reach: (tenant: string, written: ReadonlyArray<Written>, tier: Tier, timeoutMillis: number) => Effect.Effect<Reached>
}>()("streams/Writer") {}

/**
 * Registration was refused. `status`: 401 token or proof wrong or expired, 403 revoked, 409 another key
 * for a known backend, 410 tenant erased, 429 too many tries, 503 try again. `type` is the stable name.
 */
export class RegistrationRefused extends Schema.TaggedError<RegistrationRefused>()("RegistrationRefused", {
  status: Schema.Literals([400, 401, 403, 409, 410, 429, 503]),
  type: Schema.String,
  hint: Schema.String,
  /** With 410: on which a machine that was away erases what it holds. */
  receipt: Schema.optionalKey(ErasureReceipt)
}) {}

/** Who this backend is, and how others join it. */
export class Registrar extends Context.Service<Registrar, {
  readonly identity: Identity
  /** Proof of possession: RSA-PSS over {identity, challenge}. */
  readonly prove: (challenge: string) => Effect.Effect<string>
  readonly register: (body: RegisterPeer) => Effect.Effect<Registered, RegistrationRefused>
  /** The tenant a session binding token speaks for, and the backend that holds it; refused with a reason. */
  readonly authenticate: (bearer: string) => Effect.Effect<{ readonly tenant: string; readonly backendId: string; readonly userId: string }, RegistrationRefused>
}>()("streams/Registrar") {}

/** A registered peer as `POST /sync` must know it: who it is and the keys its payloads are signed with. */
export interface SyncingPeer {
  readonly backendId: string
  /** SPKI PEM, those in grace included. */
  readonly publicKeys: ReadonlyArray<string>
}

/** Commits that registered peers bring over HTTP, and what they need to know about themselves. */
export class Syncing extends Context.Service<Syncing, {
  readonly peer: (tenant: string, peer: string) => Effect.Effect<SyncingPeer, RegistrationRefused>
  /** Bring in one commit as its author signed it: into the LOG on hosted, into the journal on local. Answers what is durable. */
  readonly commit: (tenant: string, peer: string, commit: { readonly record: Uint8Array; readonly events: ReadonlyArray<Uint8Array> }) => Effect.Effect<Verdict>
  /**
   * The history of the tenant's log, in whose places changes are counted: the same in every hosted process, another one
   * after a restore. Nothing on a local backend, which counts by arrival.
   */
  readonly history: (tenant: string) => string | undefined
}>()("streams/Syncing") {}

/** A one-time code for one more companion of this machine. */
export interface CompanionCode {
  readonly code: string
  readonly expires_at: string
}

/** What a companion gets for its code: its key K, and between whom its sessions are. K is a secret of that companion alone. */
export const CompanionKey = Schema.Struct({
  /** base64url, 32 bytes. */
  key: Schema.String,
  peer_id: Schema.String,
  tenant: Schema.String,
  user_id: Schema.String,
  local_backend_id: Schema.String,
  hosted_backend_id: Schema.String,
  /** `key_id` of the hosted backend's signing key, as pinned here. */
  hosted_fingerprint: Schema.String,
  hosted_url: Schema.String
})
export type CompanionKey = typeof CompanionKey.Type

/** How companions of a local backend get their keys. */
export class Companions extends Context.Service<Companions, {
  /** A code good once and for a few minutes, for whoever is at this machine. `owner`: it may also open a session of the owner's. */
  readonly code: (may: { readonly owner: boolean }) => Effect.Effect<CompanionCode, CommandFailed>
  readonly exchange: (code: string, backendId: string) => Effect.Effect<CompanionKey, CommandFailed>
  /** Use up an owner's code. */
  readonly redeem: (code: string) => Effect.Effect<void, CommandFailed>
}>()("streams/Companions") {}

/** What a tail of the event stream yields: `cursor` resumes right after it. */
export interface Tailed {
  readonly cursor: string
  readonly event: Readonly<Record<string, unknown>>
}

/** The verified, opened event stream of a tenant, from a cursor, `"start"` or `"now"` on; live. */
export class EventTail extends Context.Service<EventTail, {
  /** The cursor of `"now"`: right behind the last event there is. */
  readonly now: (tenant: string) => Effect.Effect<string>
  readonly tail: (options: { readonly tenant: string; readonly from: string; readonly subject?: string }) => Stream.Stream<Tailed, WriteInvalid | StoreUnavailable>
}>()("streams/EventTail") {}

/** A named command of the person at the machine. Refused or failed with a sentence and what to do next. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  status: Schema.Literals([400, 401, 403, 404, 409, 410, 429, 503]),
  type: Schema.String,
  hint: Schema.String,
  receipt: Schema.optionalKey(ErasureReceipt)
}) {}

/** Room on the disk under a backend's store. `low` before it is `full`; then writes are refused and reads go on. */
export interface DiskRoom {
  readonly state: "ok" | "low" | "full"
  readonly free_bytes: number | null
}

/** What `status` shows of a local backend: which of the sentences in `state`, and the figures behind it. */
export interface LocalStatus {
  readonly state: "in_step" | "sending" | "receiving" | "offline" | "paused" | "needs_you" | "not_paired"
  /** For people: `in step`, `sending 12`, `offline since …`, `needs you: …`. */
  readonly sentence: string
  readonly backend_id: string
  readonly peer_id: string | null
  readonly hosted_url: string | null
  readonly paused: boolean
  readonly offline_since: string | null
  /** When the hosted side last said how far it is, where it does not answer any more although the link is up. */
  readonly silent_since: string | null
  readonly pending: number
  /** The privacy setting that keeps back what waits to be sent. */
  readonly held_by: string | null
  readonly behind: number
  readonly journal_seq: number
  readonly relayed_seq: number
  readonly mirror_seq: number
  readonly tenant_last_seq: number | null
  readonly log_epoch: number | null
  readonly last_sync: string | null
  readonly registration_expires_at: string | null
  readonly conversations: number
  readonly messages: number
  readonly conflicts: number
  readonly quarantined: number
  readonly set_aside: number
  readonly needs: string | null
  readonly disk: DiskRoom
  readonly versions: { readonly maestra: string; readonly nats_server: string }
}

/** The local backend's own controls. */
export class LocalControl extends Context.Service<LocalControl, {
  readonly status: Effect.Effect<LocalStatus>
  readonly pair: (code: string) => Effect.Effect<Registered, CommandFailed>
  readonly unpair: Effect.Effect<void, CommandFailed>
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void, CommandFailed>
  readonly resync: (options: { readonly withheld: boolean }) => Effect.Effect<{ readonly sentence: string }, CommandFailed>
  readonly confirm: (peer: string) => Effect.Effect<void, CommandFailed>
  readonly debug: Effect.Effect<Readonly<Record<string, unknown>>>
}>()("streams/LocalControl") {}

/** How far a long piece of work has come. The last one has `done: true`. */
export interface Progress {
  readonly done: boolean
  readonly at: number
  readonly of: number
  readonly result?: Readonly<Record<string, unknown>>
}

/** Work over a whole log, on either side. */
export class Maintenance extends Context.Service<Maintenance, {
  /** Re-check a whole log; the last progress carries `{ok, commits, events, digest, problems: [{seq, what, detail}]}`. */
  readonly verify: (tenant: string) => Stream.Stream<Progress, CommandFailed>
  /** Build the projections again from the logs. */
  readonly rebuild: Stream.Stream<Progress, CommandFailed>
}>()("streams/Maintenance") {}

/** The hosted backend's own controls, for its operator. */
export class HostedControl extends Context.Service<HostedControl, {
  readonly status: Effect.Effect<Readonly<Record<string, unknown>>>
  /** Makes the tenant once; a one-time pairing code for one more device. */
  readonly enroll: (user: string) => Effect.Effect<{ readonly code: string; readonly user_id: string; readonly tenant: string; readonly expires_at: string }, CommandFailed>
  readonly peers: Effect.Effect<ReadonlyArray<Readonly<Record<string, unknown>>>>
  readonly revoke: (peer: string, cause: "requested" | "lost" | "compromised") => Effect.Effect<void, CommandFailed>
  /** `to`: noted, so that an erasure can replace the keys there. */
  readonly backupPlan: (to: BackupPlace | undefined) => Effect.Effect<BackupPlan, CommandFailed>
  /** One part of the plan, read while everything goes on. It is whole only when the last row says so. */
  readonly backupPart: (name: string) => Stream.Stream<BackupRow, CommandFailed>
}>()("streams/HostedControl") {}
