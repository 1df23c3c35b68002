import { Context, type Effect, Schema, type Stream } from "effect"
import type { CommandFailed, Progress, StoreUnavailable } from "./Backend.ts"
import { Sequence, Time } from "./ids.ts"

/** An id that tells nothing by itself: a tenant, a peer, a key, a tool. Never a name, an address or a text of a person's. */
const OpaqueId = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{0,128}$/))
/** A word of ours: the type of a problem, a verdict, the name of a setting. */
const Word = Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_.:-]{1,64}$/))
const Count = Schema.Int.check(Schema.isGreaterThan(0))

const peer = { peer_id: OpaqueId }
const registration = { ...peer, backend_type: Word, key_id: OpaqueId, expires_at: Time }
/** `peer_id`: where whoever was refused is known. */
const refusal = { reason: Word, peer_id: Schema.optionalKey(OpaqueId) }

/** Every kind of entry. Closed: what is not here cannot be audited, and each field is an opaque id, a word of ours, a time or a number. */
export const auditTypes = {
  "tenant.created": {},
  "tenant.erased": {},
  "pairing.code_made": { expires_at: Time },
  "pairing.joined": peer,
  "pairing.left": peer,
  "peer.registered": registration,
  "peer.renewed": registration,
  "peer.confirmed": peer,
  "peer.revoked": { ...peer, cause: Word },
  "registration.refused": refusal,
  "session.refused": refusal,
  "request.refused": refusal,
  "commit.refused": refusal,
  /** A commit in the log that does not hold: `seq` of the first. */
  "commit.quarantined": { reason: Word, seq: Sequence },
  /** `of`: which key (`backend`, `pairing`, `leaf_signing`, `master`, …). */
  "key.rotated": { of: Word, key_id: OpaqueId },
  "admin_token.made": { token_id: OpaqueId, scope: Word },
  "admin_token.revoked": { token_id: OpaqueId },
  /** A browser was let in by a code of `hosted open`. */
  "admin_session.opened": { scope: Word },
  "admin_session.ended": {},
  "settings.changed": { fields: Schema.Array(Word) },
  "tool.granted": { tool_id: OpaqueId, expires_at: Time },
  "tool.revoked": { tool_id: OpaqueId },
  "data.exported": {},
  /** An operator looked at what a person wrote. */
  "data.read": {},
  /** A browser was let in as the owner, by a one-time code. */
  "owner_session.opened": {},
  "owner_session.ended": {},
  "conversation.expired": { before_seq: Sequence },
  /** `part`: which part of a backup was read. */
  "backup.read": { part: Word },
  /** What an operator or the person at the machine told the backend to do. */
  "command.given": { command: Word },
  /** Entries there was no room for while the store was away. */
  "entries.lost": {}
} as const satisfies Record<string, Schema.Struct.Fields>

type Facts<T extends Record<string, Schema.Struct.Fields>> = { readonly [K in keyof T]: { readonly type: K; readonly data: Schema.Struct<T[K]>["Type"] } }[keyof T]
export type AuditFact = Facts<typeof auditTypes> & {
  /** Absent: of no tenant. */
  readonly tenant?: string
  /** Who did it, where that is not the `Actor`. */
  readonly by?: string
}

/**
 * One line of the audit. `prev` is the SHA-256 of the one before as stored (`""` before the first), `n` counts from 1: one
 * chain for each tenant. On hosted the last of those that were written together carries its backend's `signature` (context
 * `maestra-audit-v1`) by the key `key_id`, and with it, by `prev`, all before it.
 */
export const AuditEntry = Schema.Struct({
  id: Schema.String,
  type: Schema.String,
  tenant: Schema.NullOr(Schema.String),
  time: Time,
  by: Schema.String,
  data: Schema.Record(Schema.String, Schema.Json),
  /** How many equal ones of one minute this entry stands for; absent: one. */
  count: Schema.optionalKey(Count),
  n: Sequence,
  prev: Schema.String,
  key_id: Schema.optionalKey(OpaqueId),
  signature: Schema.optionalKey(Schema.String)
})
export type AuditEntry = typeof AuditEntry.Type

/** Entries in the order they were written; `cursor` is where the next page begins, also when there is nothing yet. */
export interface AuditPage {
  readonly entries: ReadonlyArray<AuditEntry>
  readonly cursor: string
}

/** Who is at work: `operator`, `owner`, a peer id; the backend itself where nobody asked. An opaque id, as everything here. */
export const Actor = Context.Reference<string>("streams/Actor", { defaultValue: () => "self" })

/** Who did what, when: kept where it cannot be changed unnoticed. */
export class Audit extends Context.Service<Audit, {
  /**
   * Note what happened, after it did and before it is answered. Durable when it returns, unless the store is silent for
   * seconds: then the entry waits in memory, and the log says so. Never fails: a revocation must not wait for its entry.
   */
  readonly record: (fact: AuditFact) => Effect.Effect<void>
  /** Note at once what may happen often. The first is an entry; equal ones of the next minute are one more, with their count. */
  readonly count: (fact: AuditFact) => Effect.Effect<void>
  /** Entries from a cursor on, or the newest ones. `tenant`: of that one alone, `_` for those of none. */
  readonly read: (options: { readonly tenant?: string; readonly from?: string; readonly limit: number }) => Effect.Effect<AuditPage, StoreUnavailable>
  /** Check every chain; the last progress carries `{ok, entries, chains: [{tenant, first, last, head, signed_by}], problems: [{place, what}]}`. */
  readonly verify: Stream.Stream<Progress, CommandFailed>
}>()("streams/Audit") {}
