import { Context, type Effect, Schema } from "effect"
import { HttpApiMiddleware, HttpApiSecurity } from "effect/http-api"
import type { AdminScope } from "../../../streams/Access.ts"
import { refusals } from "./problems.ts"

/** Who asks, and about whose data. */
export interface Asking {
  /** `owner`: the local token. `device`: a session binding token. `operator`: an admin token of hosted. */
  readonly kind: "owner" | "device" | "operator"
  /** What an operator's token is good for. */
  readonly scope?: AdminScope
  /** The name of that token; `null`: the one of a hosted machine itself. */
  readonly name?: string | null
  /** What the audit calls it, where several have such tokens. */
  readonly by?: string
  readonly tenant: string
  /** The backend a session binding token belongs to, where it is not this one: writes name it in `via`. */
  readonly via: string | undefined
  /** Done when the token does not hold any more: streams without an end race against it. */
  readonly ended: Effect.Effect<void>
}

export class Caller extends Context.Service<Caller, Asking>()("gateway/Caller") {}

/** The bearer token a request came with, where an endpoint is about that token itself. */
export const bearerOf = ({ headers }: { readonly headers: Readonly<Record<string, string | undefined>> }): string => (headers["authorization"] ?? "").replace(/^Bearer /i, "")

const security = { bearer: HttpApiSecurity.bearer }

/** Lets in whoever may touch one tenant's conversations; the operator only to read, with `?tenant=`. */
export class Tenant extends HttpApiMiddleware.Service<Tenant, { provides: Caller }>()("gateway/Tenant", {
  security,
  error: refusals(401, 403, 410, 429)
}) {}

/** Lets in the holder of the local token, or of an admin token on hosted whose scope the endpoint asks for. Nobody's session binding token. */
export class Operator extends HttpApiMiddleware.Service<Operator, { provides: Caller }>()("gateway/Operator", {
  security,
  error: refusals(401, 403)
}) {}

/**
 * Lets in whoever decides about a person's data as a whole: the holder of the local token; a device whose session comes
 * with a fresh proof of its key; the operator, for a tenant named with `?tenant=`.
 */
export class Private extends HttpApiMiddleware.Service<Private, { provides: Caller }>()("gateway/Private", {
  security,
  error: refusals(401, 403, 410, 429)
}) {}

/** Every refusal leaves as a problem, with its own status and headers. Outermost on every endpoint. */
export class Problems extends HttpApiMiddleware.Service<Problems>()("gateway/Problems", {
  error: refusals(400, 500)
}) {}

/** Query of endpoints the operator may read a tenant through. */
export const tenantQuery = { tenant: Schema.optionalKey(Schema.String) }
