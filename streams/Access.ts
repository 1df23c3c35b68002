import { Context, type Effect, Schema } from "effect"
import { CommandFailed, type StoreUnavailable } from "./Backend.ts"

/** Who redeems a ticket may do what its buyer might have, once. */
export interface Ticket {
  readonly tenant: string
  readonly backendId: string | undefined
  readonly peer: string
}

/** One-time tickets for those who cannot send headers: a browser that opens a WebSocket. Good for 30 s, on any process. */
export class Tickets extends Context.Service<Tickets, {
  readonly issue: (ticket: Ticket) => Effect.Effect<{ readonly ticket: string; readonly expires_at: string }, StoreUnavailable>
  /** `undefined`: unknown, used, or too late. */
  readonly redeem: (ticket: string) => Effect.Effect<Ticket | undefined, StoreUnavailable>
}>()("streams/Tickets") {}

/**
 * Nonces of fresh proofs (`Maestra-Proof`): each is used up once, on whichever process of this side the proof arrives,
 * and refused for the next 120 s, which is longer than any proof with it can hold.
 */
export class Nonces extends Context.Service<Nonces, {
  /** `too-many`: this peer has used up what it may in that time, and a nonce forgotten could be replayed. */
  readonly spend: (peer: string, nonce: string) => Effect.Effect<"fresh" | "replayed" | "too-many", StoreUnavailable>
}>()("streams/Nonces") {}

/** Read-only access for one tool to one tenant's events, on NATS. */
export interface ToolGrant {
  readonly name: string
  readonly tenant: string
  readonly servers: ReadonlyArray<string>
  /** A NATS credentials file's text, on hosted: secret. */
  readonly creds?: string
  /** The seed of an nkey, on a local backend: secret. */
  readonly nkey_seed?: string
  readonly inbox_prefix: string
  readonly subject: string
  readonly consumer: string
  readonly expires_at: string
  /** Opens the events (JWK): secret. */
  readonly data_keys: ReadonlyArray<{ readonly kid: string; readonly kty: "oct"; readonly k: string }>
}

/** Names of tools: parts of a consumer's name, in which `-` divides. */
const toolNamePattern = /^[A-Za-z0-9_]{1,32}$/
/** A grant is renewed by granting again; one that is forgotten ends by itself. */
const toolDaysMax = 365

export const refusalOfToolName = (name: string): CommandFailed | undefined =>
  toolNamePattern.test(name) ? undefined : new CommandFailed({ status: 400, type: "tool-name", hint: "A tool's name has 1 to 32 letters, digits and underscores." })

export const refusalOfToolDays = (days: number): CommandFailed | undefined =>
  days > 0 && days <= toolDaysMax ? undefined : new CommandFailed({ status: 400, type: "tool-days", hint: `A grant lasts more than 0 and at most ${toolDaysMax} days.` })

/** Gives tools read-only access: for the operator of hosted, and for the person at a local backend, whose one tenant is `selfTenant`. */
export class Tools extends Context.Service<Tools, {
  readonly grant: (tenant: string, name: string, days: number) => Effect.Effect<ToolGrant, CommandFailed>
  /** Ends a grant at once: its consumer goes, its credentials are refused. */
  readonly revoke: (tenant: string, name: string) => Effect.Effect<void, CommandFailed>
}>()("streams/Tools") {}

/** One key of a backend, as `keys list` shows it: never the key. */
export const KeyRow = Schema.Struct({
  kind: Schema.String,
  key_id: Schema.NullOr(Schema.String),
  since: Schema.NullOr(Schema.String),
  /** Until when it counts, where that is known. */
  ends_at: Schema.NullOr(Schema.String),
  status: Schema.Literals(["current", "in_grace", "ended", "prepared"])
})
export type KeyRow = typeof KeyRow.Type

/** How a rotation went. `pending`: the new keys are made, and in force as soon as the other side can be asked. */
export const Rotated = Schema.Struct({
  status: Schema.Literals(["rotated", "pending"]),
  which: Schema.String,
  key_id: Schema.String,
  previous_key_id: Schema.String,
  grace_ends_at: Schema.NullOr(Schema.String),
  sentence: Schema.String
})
export type Rotated = typeof Rotated.Type

/** Every key somebody may think of, and who replaces it how: by `keys rotate` on that side, or as the sentence says. */
const ways: Readonly<Record<string, { readonly side?: "local" | "hosted"; readonly how: string }>> = {
  identity: { how: "`identity`: the pairs a backend signs and opens with" },
  pairing: { side: "local", how: "`pairing`: the secret of a machine's sessions, on that machine" },
  nats: { side: "hosted", how: "`nats`: what signs the tokens of peers' links and of tools, on hosted (`--on hosted`)" },
  companion: { how: "a companion's: in the companion, `rotateKeys()` of the SDK" },
  master: { how: "the master key: `maestra hosted rekey`, while hosted is stopped" },
  session: { how: "session tokens: by themselves, before they end" },
  token: { how: "admin tokens: `maestra hosted tokens create` and `revoke`" },
  tool: { how: "a tool's credentials: `maestra tools grant NAME` again" }
}

/** Why `keys rotate` of that name does nothing here, and what does. */
export const unknownKey = (which: string, side: "local" | "hosted"): CommandFailed => {
  const rest = Object.values(ways).map(({ how }) => how).join("; ")
  const named = Object.hasOwn(ways, which) ? ways[which]! : undefined
  const why = named === undefined ? "There is no key of that name." : named.side === undefined || named.side === side ? "" : `That one is not a ${side} backend's.`
  return new CommandFailed({ status: 409, type: "unknown-key", hint: [why, `What can be replaced: ${rest}.`].filter((part) => part !== "").join(" ") })
}

/** A backend's own keys. */
export class Keys extends Context.Service<Keys, {
  readonly list: Effect.Effect<ReadonlyArray<KeyRow>>
  readonly rotate: (which: string) => Effect.Effect<Rotated, CommandFailed>
}>()("streams/Keys") {}

/** What an admin token lets its holder do: look at everything, or operate as well. */
export const AdminScope = Schema.Literals(["read", "operate"])
export type AdminScope = typeof AdminScope.Type

/** An admin token as lists show it: never the token itself. */
export const AdminToken = Schema.Struct({ name: Schema.String, scope: AdminScope, created_at: Schema.String, revoked_at: Schema.NullOr(Schema.String) })
export type AdminToken = typeof AdminToken.Type

/** A new token, shown this once and never again. */
export const NewAdminToken = Schema.Struct({ name: Schema.String, scope: AdminScope, token: Schema.String, created_at: Schema.String })
export type NewAdminToken = typeof NewAdminToken.Type

/** Tokens for operators of hosted, each with a name and a scope. */
export class AdminTokens extends Context.Service<AdminTokens, {
  readonly create: (name: string, scope: AdminScope) => Effect.Effect<NewAdminToken, CommandFailed>
  readonly list: Effect.Effect<ReadonlyArray<AdminToken>>
  readonly revoke: (name: string) => Effect.Effect<void, CommandFailed>
  /** Whose token or session this is, as far as this process has heard; `undefined`: nobody's, revoked, or ended. `now`: milliseconds. */
  readonly holder: (bearer: string, now: number) => AdminHolder | undefined
}>()("streams/AdminTokens") {}

/** Whom an admin token or a session of theirs lets in: by name, or `null` for the token of a hosted machine itself. */
export interface AdminHolder {
  readonly name: string | null
  readonly scope: AdminScope
}

/** Lets an operator's browser in: by a code instead of a token, for eight hours at a time, as the one who asked for the code. */
export class OperatorSessions extends Context.Service<OperatorSessions, {
  /** A code good once and for a few minutes, on any process. `public_url`: where others reach this backend. */
  readonly code: (holder: AdminHolder) => Effect.Effect<{ readonly code: string; readonly public_url: string; readonly expires_at: string }, CommandFailed>
  /** Use a code up. */
  readonly open: (code: string) => Effect.Effect<{ readonly session: OperatorSession; readonly holder: AdminHolder }, CommandFailed>
  /** Eight hours more for the session `bearer` is; where it is a token, a session in its place. */
  readonly renew: (holder: AdminHolder, bearer: string) => Effect.Effect<OperatorSession, CommandFailed>
  /** Forget the session `bearer` is, on every process. False: it is a token, which stays. */
  readonly end: (bearer: string) => Effect.Effect<boolean, CommandFailed>
  /** Forget every session and code that this holder's token, or a session of it, asked for. */
  readonly endAll: (holder: AdminHolder) => Effect.Effect<void, CommandFailed>
}>()("streams/OperatorSessions") {}

/** Sessions of a local backend's owner that were ended before their time. */
export class EndedSessions extends Context.Service<EndedSessions, {
  /** Whether a bearer of this session, issued then (milliseconds since 1970), was ended. */
  readonly has: (session: string, issued: number) => boolean
  /** No bearer of this session opens anything from now on, also after a restart. `undefined`: of any that was issued by now. */
  readonly end: (session: string | undefined) => Effect.Effect<void, CommandFailed>
}>()("streams/EndedSessions") {}

/** A bearer for a page, shown this once. */
export const OperatorSession = Schema.Struct({ token: Schema.String, expires_at: Schema.String })
export type OperatorSession = typeof OperatorSession.Type
