import { Effect } from "effect"
import { HttpServerRequest, HttpServerResponse } from "effect/http"
import type { Drawn, LimitKind, Limits } from "../../../streams/RateLimits.ts"
import type { Asking } from "./caller.ts"
import { type Problem, problem, toResponse } from "./problems.ts"

/** What a request draws on, and how much; `undefined`: nothing. */
export const costOf = (method: string, path: string, contentLength: number): { readonly kind: LimitKind; readonly amount: number } | undefined => {
  if (method === "GET" || method === "HEAD") return undefined
  // counted event by event where they are stored, whichever way they came
  if (path.startsWith("/telemetry")) return undefined
  // many writes at once are a backlog, not chatter
  return path.startsWith("/import") ? { kind: "bytes", amount: Math.max(1, contentLength) } : { kind: "syncs", amount: 1 }
}

/**
 * Writes of a device draw on its limits before they are looked at: 429 with `Retry-After`, and what is left in `RateLimit`
 * (draft-ietf-httpapi-ratelimit-headers). The person at the machine and the operator have none.
 */
export const limiting = (limits: Limits["Service"], asking: Asking) => <E, R>(handler: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>) =>
  Effect.gen(function*() {
    if (asking.kind !== "device") return yield* handler
    const request = yield* HttpServerRequest.HttpServerRequest
    const cost = costOf(request.method, new URL(request.url, "http://localhost").pathname, Number(request.headers["content-length"] ?? 0))
    if (cost === undefined) return yield* handler
    const drawn = yield* limits.draw({ tenant: asking.tenant, backendId: asking.via }, cost.kind, cost.amount)
    return withLimit(cost.kind, drawn, drawn.granted ? yield* handler : toResponse(tooMany(drawn)))
  })

/** An answer that says what is left, where there is a limit. */
export const withLimit = (kind: LimitKind, { limit, remaining, retryAfterMillis }: Drawn, response: HttpServerResponse.HttpServerResponse) =>
  limit === 0 ? response : HttpServerResponse.setHeaders(response, {
    "ratelimit-policy": `"${kind}";q=${limit};w=60`,
    ratelimit: `"${kind}";r=${remaining};t=${retryAfterMillis > 0 ? Math.ceil(retryAfterMillis / 1000) : Math.ceil((limit - remaining) * 60 / limit)}`
  })

const tooMany = (drawn: Drawn): Problem =>
  problem("rate-limited", `More than ${drawn.limit} a minute. Nothing was written.`, "Send it again when the time is over.", { retry_after_s: Math.max(1, Math.ceil(drawn.retryAfterMillis / 1000)) })
