import { Context, type Effect } from "effect"
import type { CommandFailed, StoreUnavailable } from "./Backend.ts"

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

/** Read-only access for one tool to one tenant's events, on NATS. */
export interface ToolGrant {
  readonly name: string
  readonly tenant: string
  readonly servers: ReadonlyArray<string>
  /** A NATS credentials file's text: secret. */
  readonly creds: string
  readonly inbox_prefix: string
  readonly subject: string
  readonly consumer: string
  readonly expires_at: string
  /** Opens the events (JWK): secret. */
  readonly data_keys: ReadonlyArray<{ readonly kid: string; readonly kty: "oct"; readonly k: string }>
}

/** Gives tools read-only access. For the operator of hosted. */
export class Tools extends Context.Service<Tools, {
  readonly grant: (tenant: string, name: string, days: number) => Effect.Effect<ToolGrant, CommandFailed>
  /** Ends a grant at once: its consumer goes, its credentials are refused. */
  readonly revoke: (tenant: string, name: string) => Effect.Effect<void, CommandFailed>
}>()("streams/Tools") {}
