import { Clock, Duration, Effect, Queue, Result, Semaphore } from "effect"
import { v7 as uuidV7 } from "uuid"
import type { TelemetryEntry } from "../../projections/Entry.ts"
import type { Projections } from "../../projections/runner.ts"
import type { Sqlite } from "../../projections/Sqlite.ts"
import { expireTelemetry } from "../../projections/telemetry/expire.ts"
import { followTelemetry, telemetryCursor } from "../../projections/telemetry/follow.ts"
import { selfTenant } from "../../streams/Backend.ts"
import type { TelemetryFrom, TelemetryOutcome, TelemetryStore } from "../../streams/TelemetryStore.ts"
import { kindOf } from "../../streams/ids.ts"
import { subjects } from "../../streams/subjects.ts"
import { decodeTelemetry, encodeTelemetry, readTelemetry, type TelemetryDraft, telemetryEnvelope, type TelemetryEvent, telemetryMessageId } from "../../streams/telemetry.ts"
import { isoTime } from "../../streams/time.ts"
import { traceparentNow, tracedBatch } from "../../streams/tracing.ts"
import type { EventLog, Stored } from "../nats/EventLog.ts"
import { peerIdOf } from "../security/peerId.ts"

export interface TelemetryContext {
  /** The peer id and the tenant of this machine, while it is paired. */
  readonly paired: () => { readonly peer_id: string; readonly tenant: string } | undefined
  readonly isRevoked: (peer: string) => Effect.Effect<boolean>
  /** Completes whenever the tables were emptied. */
  readonly emptied: Effect.Effect<unknown>
  /** TELEMETRY_OUT. */
  readonly out: EventLog
  readonly projections: Projections["Service"]
  /** This backend's id. */
  readonly source: string
}

/** The peer of a machine's own telemetry in its own tables: it may not be paired yet, or be paired anew. */
const selfPeer = "self"
/** Publishes on their way at once: side by side they share the server's syncs. */
const inFlightMax = 64
const retryEvery = Duration.seconds(1)

/** Telemetry emitted here: fsynced in TELEMETRY_OUT before it counts as taken. What leaves is decided when it leaves. */
export const makeTelemetry = ({ isRevoked, out, paired, projections, source }: TelemetryContext): TelemetryStore["Service"] => {
  const inFlight = Semaphore.makeUnsafe(inFlightMax)
  let highest = 0
  /** A companion streams under its own name; what it tells counts as this machine's, which relays it. */
  const peerOf = ({ backendId }: TelemetryFrom): string => {
    const held = paired()
    return held === undefined ? selfPeer : backendId === undefined ? held.peer_id : peerIdOf(held.tenant, backendId)
  }
  const storeOne = (event: TelemetryEvent, by: { readonly time: string; readonly traceparent: string | undefined }) =>
    out.append([{
      subject: subjects.telemetryOut(event.event_type),
      data: encodeTelemetry(telemetryEnvelope(event, { source, ...by })),
      messageId: telemetryMessageId(selfPeer, event.event_id)
    }]).pipe(
      inFlight.withPermits(1),
      Effect.map(({ last }): TelemetryOutcome => {
        highest = Math.max(highest, last)
        return { status: "acked", event_id: event.event_id }
      }),
      Effect.catch((error) => Effect.succeed<TelemetryOutcome>({ status: "rejected", event_id: event.event_id, error: error._tag === "LogRefused" ? error.why : "unavailable" })))
  return {
    store: Effect.fnUntraced(function*(_: TelemetryFrom, events: ReadonlyArray<TelemetryEvent>) {
      const by = { time: isoTime(yield* Clock.currentTimeMillis), traceparent: yield* traceparentNow(undefined) }
      return yield* Effect.forEach(events, (event) => storeOne(event, by), { concurrency: "unbounded" })
    }),
    settled: Effect.suspend(() => projections.settled(telemetryCursor, highest)),
    isHeard: (from) => {
      if (from.backendId === undefined) return Effect.succeed(true)
      return paired() === undefined ? Effect.succeed(false) : Effect.map(isRevoked(peerOf(from)), (revoked) => !revoked)
    },
    peerOf,
    complete: (from, event) =>
      Effect.map(Clock.currentTimeMillis, (now) => ({ event_id: uuidV7(), timestamp: isoTime(now), session_id: "", metadata: {}, source_backend: kindOf(from.backendId ?? source), ...event }))
  }
}

/** Drafts waiting to be stored; beyond, the oldest are dropped: telemetry may be lost, and nobody waits for it. */
const draftsMax = 1000

/** What the program tells of itself: `emit` only queues, `run` stores. */
export const makeTelemetrySink = (store: TelemetryStore["Service"]) =>
  Effect.map(Queue.sliding<TelemetryDraft>(draftsMax), (queue) => ({
    emit: (draft: TelemetryDraft) => Effect.asVoid(Queue.offer(queue, draft)),
    run: Effect.forever(Effect.gen(function*() {
      const from = { tenant: selfTenant, backendId: undefined }
      const drafts = yield* Queue.takeAll(queue)
      const events = yield* Effect.forEach(drafts, (draft) => store.complete(from, { ...draft }))
      const read = events.map(readTelemetry)
      yield* store.store(from, read.flatMap((one) => Result.isSuccess(one) ? [one.success] : [])).pipe(tracedBatch(drafts.length))
    }))
  }))

/** Keep the telemetry tables in step with TELEMETRY_OUT, for ever. */
export const keepCountingTelemetry = (context: TelemetryContext, ask: <A, E>(query: Effect.Effect<A, E, Sqlite>) => Effect.Effect<A>): Effect.Effect<never> => {
  const entries = (batch: ReadonlyArray<Stored>) => ({
    entries: batch.flatMap((stored): ReadonlyArray<TelemetryEntry> => {
      const kept = keptOf(stored)
      return kept === undefined ? [] : [{ kind: "telemetry", seq: stored.seq, tenant: selfTenant, peer: selfPeer, stored: stored.time, ...kept }]
    }),
    through: batch.at(-1)?.seq ?? 0
  })
  const following = Effect.raceFirst(
    followTelemetry(context.projections, context.out, entries).pipe(Effect.catchTag("LogUnavailable", () => Effect.sleep(retryEvery))),
    context.emptied
  ).pipe(Effect.forever)
  return Effect.raceFirst(following, Effect.andThen(expireTelemetry(ask), Effect.never))
}

/** The event in a message of TELEMETRY_OUT, and its batch's trace; `undefined`: bytes this version cannot read. */
export const keptOf = (stored: Stored): { readonly event: TelemetryEvent; readonly traceparent?: string } | undefined => {
  const envelope = decodeTelemetry(stored.data)
  if (Result.isFailure(envelope)) return undefined
  const { data, traceparent } = envelope.success
  const event = readTelemetry(data)
  return Result.isFailure(event) ? undefined : { event: event.success, ...(traceparent === undefined ? {} : { traceparent }) }
}
