import { Effect, Schema } from "effect"
import { HttpServerResponse } from "effect/http"
import { HttpApiSchema } from "effect/http-api"
import type { SqliteFailed } from "../../../projections/SqliteFailed.ts"
import { ErasureReceipt } from "../../../streams/ErasureReceipt.ts"
import { sentences } from "../../../streams/sentences.ts"
import type { CommandFailed, RegistrationRefused, StoreFull, StoreUnavailable, WriteInvalid } from "../../../streams/Backend.ts"

/**
 * Every way the gateway itself says no. The name is stable and ends the problem's `type`;
 * backends add their own names through `RegistrationRefused` and `CommandFailed`.
 */
const table = {
  "invalid-request": { status: 400, title: "The request does not have the right shape" },
  "cursor-invalid": { status: 400, title: "This cursor was not handed out here" },
  "tenant-missing": { status: 400, title: "The operator must name a tenant" },
  unauthorized: { status: 401, title: "No valid token" },
  "host-forbidden": { status: 403, title: "The request was not meant for this address" },
  "origin-forbidden": { status: 403, title: "This web page may not talk to this backend" },
  "peer-not-own": { status: 403, title: "This is another peer's place" },
  "operator-only": { status: 403, title: "Only the operator may do this" },
  "scope-too-small": { status: 403, title: "The admin token is not good for this" },
  "read-only": { status: 403, title: "The operator may only read a tenant's conversations" },
  "other-peer": { status: 403, title: "The session is another peer's" },
  "proof-refused": { status: 403, title: "This needs a fresh proof of the device's key" },
  "bad-signature": { status: 403, title: "The signature does not hold" },
  "no-such-endpoint": { status: 404, title: "There is nothing at this address" },
  "conversation-not-found": { status: 404, title: "There is no such conversation" },
  "message-not-found": { status: 404, title: "There is no such message" },
  "write-not-found": { status: 404, title: "This message has no such write" },
  "conversation-exists": { status: 409, title: "The conversation already has another title" },
  "message-exists": { status: 409, title: "The id belongs to a message with other content" },
  "version-mismatch": { status: 412, title: "The conversation has changed since it was read" },
  "body-too-large": { status: 413, title: "The request body is too large" },
  "content-too-large": { status: 413, title: "The message is too long" },
  "upgrade-required": { status: 426, title: "This is a WebSocket" },
  "rate-limited": { status: 429, title: "Too many requests" },
  "internal-error": { status: 500, title: "Something here is broken" },
  "projections-unavailable": { status: 503, title: "The read models cannot be read" },
  "store-unavailable": { status: 503, title: "The store cannot be reached" },
  "store-full": { status: 507, title: "The store is full" }
} as const

type ProblemName = keyof typeof table
const names = Object.keys(table) as ReadonlyArray<ProblemName>

/** `type` of a problem: a name that never changes, not an address to visit. */
export const typeOf = (name: string): string => name.includes(":") ? name : `urn:maestra:problem:${name}`

/**
 * A request was refused (RFC 9457). Nothing was written unless `type` is `store-unavailable`,
 * where it is unknown. `hint` says what to do now; `field` names the part at fault.
 *
 * Without a `_tag`, because these very fields are the body on the wire.
 */
export class Problem extends Schema.Error<Problem>("Problem")({
  type: Schema.String,
  title: Schema.String,
  status: Schema.Int,
  detail: Schema.String,
  hint: Schema.String,
  field: Schema.optionalKey(Schema.String),
  /** The version a conversation has now, where `If-Match` asked for another. */
  version: Schema.optionalKey(Schema.Int),
  /** Of what was erased, for a device that was away. */
  receipt: Schema.optionalKey(ErasureReceipt),
  /** Also sent as `Retry-After`. */
  retry_after_s: Schema.optionalKey(Schema.Int)
}) {}

/** The name of a problem of the gateway's own; nothing for those of the backend behind it. */
export const gatewayNameOf = ({ type }: Problem): ProblemName | undefined =>
  names.find((name) => type === typeOf(name))

interface More {
  readonly field?: string
  readonly version?: number
  readonly retry_after_s?: number
}

/** The problem of that name. `detail`: what is wrong with this very request. `hint`: what to do now. */
export const problem = (name: ProblemName, detail: string, hint: string, more: More = {}): Problem =>
  new Problem({ type: typeOf(name), title: table[name].title, status: table[name].status, detail: sentences(detail), hint: sentences(hint), ...more })

/** `error` of an endpoint: the statuses it refuses with, for the contract. The body is a `Problem` in each. */
export const refusals = (...statuses: ReadonlyArray<number>) =>
  statuses.map((status) =>
    Problem.pipe(HttpApiSchema.status(status), HttpApiSchema.asJson({ contentType: "application/problem+json" }))
  )

export type BackendError = StoreFull | StoreUnavailable | WriteInvalid | RegistrationRefused | CommandFailed | SqliteFailed

/** What a backend refused, in the words of HTTP. */
export const fromBackend = (error: BackendError | Problem): Problem => {
  if (error instanceof Problem) return error
  switch (error._tag) {
    case "StoreFull":
      return problem("store-full", "Nothing was written.", error.hint)
    case "StoreUnavailable":
      return problem("store-unavailable", "Whether the write happened is unknown.", error.hint, { retry_after_s: 1 })
    case "WriteInvalid":
      return problem("invalid-request", error.why, error.hint)
    case "SqliteFailed":
      return problem("projections-unavailable", `SQLite: ${error.reason}. Nothing was lost.`, error.hint, { retry_after_s: 1 })
    case "RegistrationRefused":
    case "CommandFailed":
      return new Problem({
        type: typeOf(error.type),
        title: titles[error.status],
        status: error.status,
        detail: `${titles[error.status]} (${error.type}).`,
        hint: sentences(error.hint),
        ...(error.receipt === undefined ? {} : { receipt: error.receipt }),
        ...(error.status === 429 || error.status === 503 ? { retry_after_s: 1 } : {})
      })
  }
}

const titles: Readonly<Record<(RegistrationRefused | CommandFailed)["status"], string>> = {
  400: "The request was not understood",
  401: "The proof does not hold",
  403: "This is not allowed",
  404: "There is no such thing",
  409: "This contradicts what is already there",
  410: "This was erased",
  429: "Too many tries",
  503: "Not possible at the moment"
}

/** Everything a handler's backend may say, as a `Problem`. */
export const refused = <A, R>(effect: Effect.Effect<A, BackendError | Problem, R>): Effect.Effect<A, Problem, R> =>
  Effect.mapError(effect, fromBackend)

export const toResponse = (refusal: Problem): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify(refusal), {
    status: refusal.status,
    contentType: "application/problem+json",
    headers: {
      ...(refusal.retry_after_s === undefined ? {} : { "retry-after": String(refusal.retry_after_s) }),
      ...(refusal.status === 401 ? { "www-authenticate": "Bearer" } : {}),
      ...(refusal.version === undefined ? {} : { etag: `"${refusal.version}"` })
    }
  })
