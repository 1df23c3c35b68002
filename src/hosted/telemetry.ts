import { Clock, Duration, Effect, Result } from "effect"
import { v7 as uuidV7 } from "uuid"
import type { TelemetryEntry } from "../../projections/Entry.ts"
import { expireTelemetry } from "../../projections/telemetry/expire.ts"
import { followTelemetry, telemetryCursor } from "../../projections/telemetry/follow.ts"
import { type Drawn, Limits } from "../../streams/RateLimits.ts"
import { type TelemetryFrom, type TelemetryOutcome, TelemetryStore } from "../../streams/TelemetryStore.ts"
import { defaults } from "../../streams/events/settings.ts"
import { kindOf } from "../../streams/ids.ts"
import { parseTelemetry } from "../../streams/subjects.ts"
import { decodeTelemetry, encodeTelemetry, readTelemetry, telemetryEnvelope, type TelemetryEvent } from "../../streams/telemetry.ts"
import { isoTime } from "../../streams/time.ts"
import { traceparentNow } from "../../streams/tracing.ts"
import type { Stored } from "../nats/EventLog.ts"
import { telemetryGate } from "../privacy/telemetryGate.ts"
import { openData } from "../security/envelopes.ts"
import { peerIdOf } from "../security/peerId.ts"
import { type DataKey, seal } from "../security/sealing.ts"
import { sharedId } from "../security/sharedId.ts"
import type { Base } from "./Base.ts"
import { nextBump } from "./nextBump.ts"
import type { SealedTelemetry } from "./telemetryStore.ts"

const retryEvery = Duration.seconds(1)

/** Telemetry over HTTP and WebSocket: gated, sealed under the tenant's key, and stored as what a leaf sends is. */
export const hostedTelemetry = (base: Base): TelemetryStore["Service"] => {
  const peerOf = ({ backendId, tenant }: TelemetryFrom) => backendId === undefined ? "hosted" : peerIdOf(tenant, backendId)
  const heardAt = ({ backendId, tenant }: TelemetryFrom, now: string) =>
    backendId === undefined || base.tenants.peek(tenant)?.devices.some((device) => device.backend_id === backendId && now < device.expires_at) === true
  return {
    peerOf,
    isHeard: (from) => Effect.map(Clock.currentTimeMillis, (now) => heardAt(from, isoTime(now))),
    settled: Effect.suspend(() => base.projections.settled(telemetryCursor, base.telemetry.stored())),
    complete: (from, event) =>
      Effect.map(Clock.currentTimeMillis, (now) => ({
        event_id: uuidV7(), timestamp: isoTime(now), session_id: "", metadata: {}, source_backend: kindOf(from.backendId ?? base.identity.identity.backend_id), ...event
      })),
    store: Effect.fnUntraced(function*(from, events) {
      const now = isoTime(yield* Clock.currentTimeMillis)
      const refuseAll = (error: string) => events.map(({ event_id }): TelemetryOutcome => ({ status: "rejected", event_id, error }))
      if (!heardAt(from, now)) return refuseAll("the registration has ended")
      const key = base.keyring.current(from.tenant)
      if (key === undefined) return refuseAll("unavailable")
      const drawn = yield* drawSome(limitsOf(base), from, events.length)
      const by = { time: now, traceparent: yield* traceparentNow(undefined) }
      const gated = events.slice(0, drawn.granted).map((event) => gateOne(base, from, event, key, by))
      const stored = yield* base.telemetry.store(from.tenant, peerOf(from), gated.flatMap((one) => "bytes" in one ? [one] : []))
      let next = 0
      return events.map((event, i): TelemetryOutcome => {
        const { event_id } = event
        const one = gated[i]
        if (one === undefined) return { status: "rejected", event_id, error: "rate_limited", retry_after_ms: drawn.retryAfterMillis }
        if (!("bytes" in one)) return { status: "rejected", event_id, error: one.error }
        const result = stored[next++]!
        if (Result.isSuccess(result)) return { status: "acked", event_id }
        return { status: "rejected", event_id, error: result.failure._tag === "LogRefused" ? result.failure.why : "unavailable" }
      })
    })
  }
}

/** As many as the limit has room for now; the rest has to wait. */
const drawSome = Effect.fnUntraced(function*(limits: Limits["Service"], from: TelemetryFrom, wanted: number) {
  const all = yield* limits.draw(from, "telemetry", wanted)
  if (all.granted) return { granted: wanted, retryAfterMillis: 0 }
  const some = all.remaining > 0 && all.remaining < wanted ? yield* limits.draw(from, "telemetry", all.remaining) : all
  return some.granted ? { granted: all.remaining, retryAfterMillis: all.retryAfterMillis } : { granted: 0, retryAfterMillis: all.retryAfterMillis }
})

/** Limits of callers over HTTP and WebSocket: the same buckets the leafs draw on. The hosted backend itself has none. */
export const limitsOf = (base: Base): Limits["Service"] => ({
  draw: ({ backendId, tenant }, kind, amount) =>
    backendId === undefined ? Effect.succeed(unlimited) : base.budget.draw(`${tenant}.${peerIdOf(tenant, backendId)}`, kind, amount)
})

const unlimited: Drawn = { granted: true, limit: 0, remaining: 0, retryAfterMillis: 0 }

const gateOne = (base: Base, from: TelemetryFrom, event: TelemetryEvent, key: DataKey, by: { readonly time: string; readonly traceparent: string | undefined }): SealedTelemetry | { readonly error: string } => {
  const { settings } = base.settings.get(from.tenant) ?? { settings: defaults }
  const verdict = telemetryGate({ event, settings, shareId: (id) => sharedId(base.keyring.first(from.tenant) ?? key, id) })
  if (verdict._tag !== "send") return { error: `withheld: ${verdict.why}` }
  const sent = verdict.event
  const envelope = telemetryEnvelope(sent, { source: from.backendId ?? base.identity.identity.backend_id, ...by })
  const bytes = encodeTelemetry({ ...envelope, datacontenttype: "application/jose", data: seal(key, JSON.stringify(sent)) })
  return { eventId: sent.event_id, type: sent.event_type, bytes }
}

/** Keep the telemetry tables in step with TELEMETRY, for ever. */
export const keepCountingTelemetry = (base: Base): Effect.Effect<never> => {
  const entries = (batch: ReadonlyArray<Stored>) => ({
    entries: batch.flatMap((stored): ReadonlyArray<TelemetryEntry> => {
      const entry = entryOf(base, stored)
      return entry === undefined ? [] : [entry]
    }),
    through: batch.at(-1)?.seq ?? 0
  })
  const following = Effect.raceFirst(
    followTelemetry(base.projections, base.telemetryLog, entries).pipe(Effect.catchTag("LogUnavailable", () => Effect.sleep(retryEvery))),
    nextBump(base.reread)
  ).pipe(Effect.forever)
  return Effect.raceFirst(following, Effect.andThen(expireTelemetry(base.ask), Effect.never))
}

/** What cannot be opened any more was its tenant's, and the key is gone: nothing is left to count. */
const entryOf = (base: Base, stored: Stored): TelemetryEntry | undefined => {
  const at = parseTelemetry(stored.subject)
  const envelope = decodeTelemetry(stored.data)
  if (Result.isFailure(at) || Result.isFailure(envelope)) return undefined
  const { peer, tenant } = at.success
  const data = openData(envelope.success, base.keyring.within(tenant))
  const event = Result.isSuccess(data) ? readTelemetry(data.success) : undefined
  return event === undefined || Result.isFailure(event) ? undefined : {
    kind: "telemetry", seq: stored.seq, tenant, peer, stored: stored.time, event: event.success,
    ...(envelope.success.traceparent === undefined ? {} : { traceparent: envelope.success.traceparent })
  }
}
