import { Duration, Effect, Result } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Tickets } from "../../../../streams/Access.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { Limits } from "../../../../streams/RateLimits.ts"
import { type TelemetryFrom, type TelemetryOutcome, TelemetryStore } from "../../../../streams/TelemetryStore.ts"
import { readTelemetry, type TelemetryEvent } from "../../../../streams/telemetry.ts"
import { isoTime, millisOf } from "../../../../streams/time.ts"
import { readLimit } from "../../conditions.ts"
import { Reads } from "../../Reads.ts"
import { Api } from "../api.ts"
import { type Body, invalid, jsonOf } from "../body.ts"
import { type Asking, Caller } from "../caller.ts"
import { withLimit } from "../limiting.ts"
import { type Problem, problem, refused, toResponse } from "../problems.ts"
import { json } from "../respond.ts"

/** Events in one request. */
const emitMax = 1000
/** How long a reader waits for what was acknowledged a moment ago. */
const settleWithin = Duration.seconds(2)

/** Whose telemetry a caller tells. */
export const fromOf = (asking: Pick<Asking, "tenant" | "via">): TelemetryFrom => ({ tenant: asking.tenant, backendId: asking.via })

/** Whose telemetry is asked for; `undefined`: everybody's, by an operator who named nobody. */
const tenantOf = ({ tenant }: Asking): string | undefined => tenant === "" ? undefined : tenant

/** Where everybody's was asked for, each person's audit says that theirs was among it. */
const auditRead = (audit: Audit["Service"], read: ReadonlyArray<{ readonly tenant?: string }>): Effect.Effect<void> =>
  Effect.forEach(new Set(read.flatMap(({ tenant }) => tenant ?? [])), (tenant) => audit.count({ type: "data.read", tenant, data: {} }), { discard: true })

/** Telemetry in and out over HTTP. */
export const telemetryHandlers = HttpApiBuilder.group(Api, "telemetry", Effect.fn(function*(handlers) {
  const store = yield* TelemetryStore
  const tickets = yield* Tickets
  const limits = yield* Limits
  const reads = yield* Reads
  const audit = yield* Audit
  const settled = store.settled.pipe(Effect.timeoutOption(settleWithin))

  return handlers.handleAll({
    list: ({ query }) =>
      Effect.gen(function*() {
        const tenant = tenantOf(yield* Caller)
        const { cursor, source, type } = query
        const limit = yield* readLimit(query.limit)
        const since = yield* readSince(query.since)
        yield* settled
        const page = yield* refused(reads.telemetry({ tenant, limit, cursor, source, type, since }))
        yield* auditRead(audit, page.events)
        return json(page)
      }),
    rollups: ({ query }) =>
      Effect.gen(function*() {
        const tenant = tenantOf(yield* Caller)
        const { cursor, model, peer, type } = query
        const limit = yield* readLimit(query.limit)
        const since = yield* readSince(query.since)
        yield* settled
        const page = yield* refused(reads.telemetryHours({ tenant, limit, cursor, model, peer, type, since }))
        yield* auditRead(audit, page.hours)
        return json(page)
      }),
    ticket: ({ params }) =>
      Effect.gen(function*() {
        const from = fromOf(yield* Caller)
        const peer = yield* ownPeer(store, from, params.peer_id)
        return json(yield* refused(tickets.issue({ ...from, peer })))
      })
  }).handleRaw("emit", ({ request }) =>
    Effect.gen(function*() {
      const from = fromOf(yield* Caller)
      const body = yield* jsonOf(request)
      const given = yield* eventsOf(body)
      const completed = yield* Effect.forEach(given, (event) => store.complete(from, event))
      const read = completed.map(readTelemetry)
      // one alone is refused as a request is; of several each has its own answer
      if (!("events" in body) && Result.isFailure(read[0]!)) return yield* invalid("", read[0].failure, "Send a telemetry event as described in /openapi.json.")
      const results = yield* storeEach(store, from, read.map((one, i) => Result.mapError(one, (error) => ({ event_id: idOf(completed[i]!), error }))))
      const limited = results.find((result) => result.status === "rejected" && result.error === "rate_limited")
      const answer = limited !== undefined && results.length === 1 && limited.status === "rejected"
        ? toResponse(tooMuch(limited.retry_after_ms ?? 0))
        : json({ results })
      return withLimit("telemetry", yield* limits.draw(from, "telemetry", 0), answer)
    }))
}))

/** Store the good ones; every one has its outcome, in order. */
export const storeEach = Effect.fnUntraced(function*(
  store: TelemetryStore["Service"],
  from: TelemetryFrom,
  read: ReadonlyArray<Result.Result<TelemetryEvent, { readonly event_id: string; readonly error: string }>>
): Effect.fn.Return<ReadonlyArray<TelemetryOutcome>> {
  const good = read.flatMap((one) => Result.isSuccess(one) ? [one.success] : [])
  const outcomes = good.length === 0 ? [] : yield* store.store(from, good)
  let next = 0
  return read.map((one) => Result.isSuccess(one) ? outcomes[next++]! : { status: "rejected", ...one.failure })
})

/** The id an event names, as far as it does. */
export const idOf = (event: unknown): string => {
  const id = typeof event === "object" && event !== null && "event_id" in event ? event.event_id : ""
  return typeof id === "string" ? id.slice(0, 128) : ""
}

/** The peer id in the path, where it is the caller's own. */
export const ownPeer = (store: TelemetryStore["Service"], from: TelemetryFrom, given: string): Effect.Effect<string, Problem> =>
  given === store.peerOf(from)
    ? Effect.succeed(given)
    : Effect.fail(problem("peer-not-own", "Telemetry is streamed as the peer the token belongs to, and this is another.", "Use the telemetry_endpoint that registration answered with."))

const eventsOf = (body: Body): Effect.Effect<ReadonlyArray<Body>, Problem> => {
  if (!("events" in body)) return Effect.succeed([body])
  const { events } = body
  return Array.isArray(events) && events.length <= emitMax && events.every((event): event is Body => typeof event === "object" && event !== null && !Array.isArray(event))
    ? Effect.succeed(events)
    : Effect.fail(invalid("events", `events is not a list of at most ${emitMax} events.`, "Send fewer, or one event without a list."))
}

/** In the one form times are compared in. */
const readSince = (since: string | undefined): Effect.Effect<string | undefined, Problem> => {
  if (since === undefined) return Effect.succeed(since)
  const millis = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(since) ? millisOf(since) : Number.NaN
  return Number.isNaN(millis) ? Effect.fail(invalid("since", "since is not an ISO time.", "Send a time like 2026-11-22T10:00:00Z.")) : Effect.succeed(isoTime(millis))
}

const tooMuch = (millis: number): Problem =>
  problem("rate-limited", "This device has sent more telemetry than a minute allows.", "Send it again, with the same event_id, when the time is over.", { retry_after_s: Math.ceil(millis / 1000) })
