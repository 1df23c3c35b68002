import { createHash, timingSafeEqual } from "node:crypto"
import { Clock, Context, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { HttpServerRequest } from "effect/http"
import { HttpApiError } from "effect/http-api"
import type { AdminTokens, EndedSessions } from "../../../streams/Access.ts"
import { type CommandFailed, Registrar, selfTenant } from "../../../streams/Backend.ts"
import { Actor, Audit } from "../../../streams/Audit.ts"
import { Limits } from "../../../streams/RateLimits.ts"
import { opaqueId } from "../../security/opaqueId.ts"
import { type Asking, Caller, Operator, Problems, Tenant } from "./caller.ts"
import { limiting } from "./limiting.ts"
import { isOwnerSession, issueOwnerSession, type OwnerSession, readOwnerSession } from "./ownerSession.ts"
import { privateLayer } from "./privateAccess.ts"
import { actorOf, audited, auditRefusal } from "./refusals.ts"
import { fromBackend, Problem, problem, toResponse } from "./problems.ts"
import { scopeOf, scopeTooSmall, suffices } from "./scopes.ts"

/** What a side trusts: its own secret, and whose data that secret opens. */
export interface Trust {
  /** The local token, or the one of the operator at hosted's own machine. */
  readonly secret: Redacted.Redacted<string>
  readonly side: "local" | "hosted"
  /** Whose admin token or session that is, where there are others. */
  readonly holder: AdminTokens["Service"]["holder"]
  /** Sessions of the owner that were ended, on local. */
  readonly ended: EndedSessions["Service"]
}

/** Longer than any token that was ever issued; what is longer is not worth hashing. */
const bearerMaxLength = 8192

/** Compared over digests, so neither content nor length of the secret shows in the time taken. */
const isSecret = (secret: Redacted.Redacted<string>, given: string): boolean =>
  given !== "" && timingSafeEqual(digest(given), digest(Redacted.value(secret)))

const digest = (text: string) => createHash("sha256").update(text).digest()

const noToken = (side: Trust["side"]) =>
  problem(
    "unauthorized",
    "The Authorization header holds no token that is valid here.",
    side === "local"
      ? "Send `Authorization: Bearer <token>`; the token is in local/token of the data directory."
      : "Send `Authorization: Bearer <token>`: a session binding token, or the admin token of the data directory."
  )

/** Who holds this bearer token. Never says which of the two kinds of token was wrong. */
const identify = (trust: Trust, registrar: Registrar["Service"], bearer: string) =>
  Effect.gen(function*() {
    if (bearer === "" || bearer.length > bearerMaxLength) return yield* noToken(trust.side)
    if (isSecret(trust.secret, bearer)) return trust.side === "local" ? owner : operator
    const held = trust.holder(bearer, yield* Clock.currentTimeMillis)
    if (held !== undefined) return { ...operator, ...held, ...held.name === null ? {} : { by: opaqueId("operator", held.name) }, ended: whileTrue((now) => trust.holder(bearer, now) !== undefined) }
    if (trust.side === "local" && isOwnerSession(bearer)) return yield* ownerOf(trust, bearer)
    const { backendId, tenant } = yield* Effect.mapError(registrar.authenticate(bearer), fromBackend)
    return {
      kind: "device",
      // a local backend has one person, under one name in its own tables, whatever hosted calls the tenant
      tenant: trust.side === "local" ? selfTenant : tenant,
      via: backendId === registrar.identity.backend_id ? undefined : backendId,
      ended: tokenEnded(registrar, bearer)
    } satisfies Asking
  })

/** Recognises callers where the endpoint itself has to: a WebSocket's handshake. */
export class Doorkeeper extends Context.Service<Doorkeeper, {
  readonly identify: (bearer: string) => Effect.Effect<Asking, Problem>
  /** What somebody without any credential is told. */
  readonly refusal: Problem
  /** A bearer token that may what this side's own secret may; of the same session as `bearer`, where that is of one. */
  readonly ownerSession: (bearer: string) => Effect.Effect<OwnerSession>
  /** Ends the session `bearer` is of, or every one. False: it is the secret itself, which is of none, and stays. */
  readonly endOwnerSession: (bearer: string | undefined) => Effect.Effect<boolean, CommandFailed>
}>()("gateway/Doorkeeper") {}

const doorkeeperLayer = (trust: Trust) =>
  Layer.effect(Doorkeeper, Effect.map(Effect.all([Registrar, Audit]), ([registrar, audit]) => Doorkeeper.of({
    identify: (bearer) => identify(trust, registrar, bearer).pipe(audited(audit)),
    refusal: noToken(trust.side),
    ownerSession: (bearer) => Effect.map(Clock.currentTimeMillis, (now) => issueOwnerSession(Redacted.value(trust.secret), now, readOwnerSession(Redacted.value(trust.secret), bearer)?.session)),
    endOwnerSession: (bearer) => {
      const held = bearer === undefined ? undefined : readOwnerSession(Redacted.value(trust.secret), bearer)
      return bearer !== undefined && held === undefined ? Effect.succeed(false) : Effect.as(trust.ended.end(held?.session), true)
    }
  })))

/** A revoked token stops everything within a second; an expired one likewise. */
const recheckEvery = Duration.millis(500)

const tokenEnded = (registrar: Registrar["Service"], bearer: string): Effect.Effect<void> =>
  Effect.suspend(() => registrar.authenticate(bearer)).pipe(
    // busy is no answer to whether the token holds
    Effect.catchIf(({ status }) => status === 429 || status === 503, () => Effect.void),
    Effect.delay(recheckEvery),
    Effect.forever,
    Effect.ignore
  )

/** Done as soon as it does not hold any more. `holds` is given the time, milliseconds since 1970. */
const whileTrue = (holds: (now: number) => boolean): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => holds(now) ? Effect.fail("not yet") : Effect.void).pipe(Effect.retry(Schedule.spaced(recheckEvery)), Effect.ignore)

const owner: Asking = { kind: "owner", tenant: selfTenant, via: undefined, ended: Effect.never }

/** The owner by a session: everything without an end stops when it does. */
const ownerOf = ({ ended, secret }: Trust, bearer: string): Effect.Effect<Asking, Problem> =>
  Effect.gen(function*() {
    const held = readOwnerSession(Redacted.value(secret), bearer)
    const holds = (now: number): boolean => held !== undefined && now < held.end && !ended.has(held.session, held.issued)
    if (!holds(yield* Clock.currentTimeMillis)) return yield* noToken("local")
    return { ...owner, ended: whileTrue(holds) }
  })

const operator: Asking = { ...owner, kind: "operator", tenant: "", scope: "operate", name: null }

const tenantPattern = /^t_[a-z2-7]{16}$/

/** What an operator may ask of all tenants together: that something happened, and not what; and what was counted. */
const ofEverybody: ReadonlySet<string> = new Set(["/events", "/telemetry", "/telemetry/rollups"])

/** The operator names a tenant, and reads. Everybody else has exactly one. */
const withTenant = (asking: Asking, request: HttpServerRequest.HttpServerRequest) => {
  if (asking.kind !== "operator") return Effect.succeed(asking)
  if (request.method !== "GET") {
    return Effect.fail(problem("read-only", "The admin token does not write conversations.", "Use a session binding token of the tenant."))
  }
  const { pathname, searchParams } = new URL(request.url, "http://localhost")
  const given = searchParams.get("tenant") ?? undefined
  if (given === undefined && ofEverybody.has(pathname)) return Effect.succeed(asking)
  return Effect.map(tenantNamed(given), (tenant) => ({ ...asking, tenant }))
}

/** The tenant an operator names with `?tenant=`. */
export const tenantNamed = (given: string | undefined): Effect.Effect<string, Problem> =>
  given !== undefined && tenantPattern.test(given)
    ? Effect.succeed(given)
    : Effect.fail(problem("tenant-missing", "?tenant= names no tenant.", "Add ?tenant=t_…; `maestra hosted peers` lists them.", { field: "tenant" }))

/** What an operator may ask of a tenant without reading anything. */
const hashOnly = "digest"

const tenantLayer = (trust: Trust) =>
  Layer.effect(
    Tenant,
    Effect.map(Effect.all([Registrar, Limits, Audit]), ([registrar, limits, audit]) => Tenant.of({
      bearer: (handler, { credential, endpoint }) =>
        Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const known = yield* identify(trust, registrar, Redacted.value(credential)).pipe(audited(audit))
          const asking = yield* withTenant(known, request).pipe(audited(audit, known))
          if (asking.kind === "operator" && asking.tenant !== "" && endpoint.identifier !== hashOnly) yield* audit.count({ type: "data.read", tenant: asking.tenant, by: actorOf(asking), data: {} })
          return yield* Effect.provideService(handler, Caller, asking).pipe(
            limiting(limits, asking),
            audited(audit, asking),
            Effect.provideService(Actor, actorOf(asking)))
        })
    }))
  )

const operatorLayer = (trust: Trust) =>
  Layer.effect(
    Operator,
    Effect.map(Effect.all([Registrar, Audit]), ([registrar, audit]) => Operator.of({
      bearer: (handler, { credential, endpoint, group }) =>
        Effect.gen(function*() {
          const asking = yield* identify(trust, registrar, Redacted.value(credential)).pipe(audited(audit))
          const small = asking.scope !== undefined && !suffices(asking.scope, scopeOf(group.identifier, endpoint.identifier))
          if (asking.kind === "device" || small) {
            const refusal = small ? scopeTooSmall : problem("operator-only", "A session binding token reads and writes conversations, nothing else.", noToken(trust.side).hint)
            yield* auditRefusal(audit, refusal, asking)
            return yield* refusal
          }
          return yield* handler.pipe(Effect.provideService(Caller, asking), Effect.provideService(Actor, actorOf(asking)))
        })
    }))
  )

/** Problems keep their status and headers; a request of the wrong shape says where and why. */
const problemsLayer = Layer.succeed(Problems, (handler) =>
  Effect.catch(handler, (error: unknown) =>
    error instanceof Problem
      ? Effect.succeed(toResponse(error))
      : HttpApiError.HttpApiSchemaError.is(error) && error.kind !== "Body" && error.kind !== "ResponseHeaders"
      ? Effect.succeed(toResponse(ofShape(error)))
      : Effect.die(error)))

const ofShape = (error: HttpApiError.HttpApiSchemaError): Problem => {
  const where = { Params: "the path", Query: "the query", Headers: "the headers", Payload: "the body" }[error.kind as "Params"]
  const field = /\["([^"]{1,64})"\]/.exec(error.cause.message)?.[1]
  return problem(
    "invalid-request",
    `In ${where}: ${error.cause.message.split("\n")[0]!.slice(0, 300)}.`,
    "Send it as described in /openapi.json.",
    field === undefined ? {} : { field }
  )
}

/** All gates of one side. */
export const accessLayer = (trust: Trust) =>
  Layer.mergeAll(tenantLayer(trust), operatorLayer(trust), doorkeeperLayer(trust), problemsLayer, ownersLayer(trust))

const ownersLayer = (trust: Trust) =>
  privateLayer(Effect.map(Registrar, (registrar) => ({ identify: (bearer) => identify(trust, registrar, bearer), tenantNamed })))
