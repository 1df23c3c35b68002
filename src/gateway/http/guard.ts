import { ByteSize, Cause, Effect } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { bodyMaxBytes, syncBodyMaxBytes } from "../../../streams/limits.ts"
import { count, timed } from "../../../streams/metrics.ts"
import { tracedRequest } from "../../../streams/tracing.ts"
import { bodyTooLarge } from "./body.ts"
import type { Audit } from "../../../streams/Audit.ts"
import { auditRefusal } from "./refusals.ts"
import type { Closing } from "./Closing.ts"
import { Problem, problem, toResponse } from "./problems.ts"
import { readOn } from "./readOn.ts"

/** What a server lets in before it looks at the request itself. */
export interface GuardPolicy {
  /** Names this server answers to, `host:port`. `null`: any, where a proxy in front decides. */
  readonly hosts: ReadonlyArray<string> | null
  /** Web pages that may call, as browsers write them in `Origin`. Programs send no `Origin` and are not concerned. */
  readonly origins: ReadonlyArray<string>
}

/** Names under which a loopback port is reached. `localhost` and addresses cannot be re-bound by a foreign DNS. */
export const loopbackHosts = (port: number): ReadonlyArray<string> =>
  ["127.0.0.1", "localhost", "[::1]"].map((name) => `${name}:${port}`)

/** How long a browser may remember a preflight answer. */
const preflightMaxAgeSeconds = 600

/**
 * Stops, before any handler runs: pages of other origins (`Origin` not in the list), pages that re-bound a
 * DNS name to our address (`Host` not ours), bodies over the limit. Answers preflights. Turns everything
 * unexpected into a problem, so no stack trace and no empty page ever leaves.
 */
export const guard = (policy: GuardPolicy, closing: Closing["Service"], audit: Audit["Service"]) =>
  HttpRouter.middleware((handler) =>
    Effect.gen(function*() {
      const request = yield* HttpServerRequest.HttpServerRequest
      const refusal = admit(policy, request.headers, maxBytesOf(request.url))
      const origin = request.headers["origin"]
      // a connection kept alive would hold up the end until its timeout, and one that asked for an upgrade carries nothing else
      const last = () => closing.isBegun() || request.headers["upgrade"] !== undefined
      const leave = (response: HttpServerResponse.HttpServerResponse) => {
        const answer = withCors(policy, origin, response)
        return last() ? HttpServerResponse.setHeader(answer, "connection", "close") : answer
      }
      if (refusal?.status === 413) yield* readOn(request)
      if (refusal !== undefined) return leave(yield* Effect.as(auditRefusal(audit, refusal), toResponse(refusal)))
      if (request.method === "OPTIONS") return withCors(policy, origin, preflight)
      const response = yield* handler.pipe(
        tracedRequest(request.method, request.headers["traceparent"]),
        timed("maestra_http_request_duration_seconds", { method: request.method }),
        Effect.provideService(HttpServerRequest.MaxBodySize, ByteSize.bytes(maxBytesOf(request.url))),
        Effect.catchCause((cause) => unexpected(cause))
      )
      count("maestra_http_requests_total", { method: request.method, status: String(response.status) })
      return leave(response)
    }), { global: true })

/** Syncs carry whole commits. */
const maxBytesOf = (url: string): number => url.startsWith("/sync/") ? syncBodyMaxBytes : bodyMaxBytes

/** Why a request must not go on, judged by its headers alone. */
export const admit = (policy: GuardPolicy, headers: Readonly<Record<string, string | undefined>>, bodyMax: number = bodyMaxBytes): Problem | undefined => {
  const host = headers["host"]?.toLowerCase()
  if (policy.hosts !== null && (host === undefined || !policy.hosts.includes(host))) {
    return problem("host-forbidden", "The Host header names another machine.", `Use http://${policy.hosts[0]}.`)
  }
  const origin = headers["origin"]
  if (origin !== undefined && !policy.origins.includes(origin)) {
    return problem("origin-forbidden", `Pages of ${origin.slice(0, 200)} are not allowed here.`, "Add the origin to the allowed origins when starting the backend.")
  }
  if (Number(headers["content-length"] ?? 0) > bodyMax) return bodyTooLarge(bodyMax)
  return undefined
}

const preflight = HttpServerResponse.empty({
  status: 204,
  headers: {
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
    "access-control-allow-headers": "authorization, content-type, if-match, last-event-id, maestra-proof, traceparent",
    "access-control-max-age": String(preflightMaxAgeSeconds)
  }
})

const withCors = (policy: GuardPolicy, origin: string | undefined, response: HttpServerResponse.HttpServerResponse) =>
  HttpServerResponse.setHeaders(response, {
    vary: "Origin",
    "x-content-type-options": "nosniff",
    ...(origin !== undefined && policy.origins.includes(origin)
      ? { "access-control-allow-origin": origin, "access-control-expose-headers": "etag, retry-after, ratelimit, ratelimit-policy" }
      : {})
  })

const noSuchEndpoint = problem("no-such-endpoint", "No endpoint has this method and path.", "See /docs for all of them.")
const broken = problem("internal-error", "The request failed for a reason that is not yours.", "See the log of the backend; it has the cause.")

/** Failures no handler named. An interruption goes on: the caller is gone, or the server stops. */
const unexpected = (cause: Cause.Cause<unknown>) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause)
  for (const reason of cause.reasons) {
    const error = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
    if (error instanceof Problem) return Effect.succeed(toResponse(error))
    if (isRouteNotFound(error)) return Effect.succeed(toResponse(noSuchEndpoint))
  }
  return Effect.as(Effect.logError("request failed", cause), toResponse(broken))
}

const isRouteNotFound = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "reason" in error &&
  typeof error.reason === "object" && error.reason !== null && "_tag" in error.reason && error.reason._tag === "RouteNotFound"
