import { Clock, Duration, Effect, Fiber, Queue, Random, Result, type Scope, Schema, Stream } from "effect"
import type { Settings } from "../../streams/events/settings.ts"
import { telemetryBatchMax, telemetryBatchMaxBytes } from "../../streams/limits.ts"
import { subjects } from "../../streams/subjects.ts"
import { encodeTelemetry, telemetryEnvelope, TelemetryStored } from "../../streams/telemetry.ts"
import { isoTime } from "../../streams/time.ts"
import { tracedTelemetry } from "../../streams/tracing.ts"
import { Verdict } from "../../streams/Verdict.ts"
import { type Connection, type NoResponders, RequestTimedOut } from "../nats/Connection.ts"
import type { Cursor, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { telemetryGate } from "../privacy/telemetryGate.ts"
import { frameItems } from "../security/framing.ts"
import { type DataKey, seal } from "../security/sealing.ts"
import { sharedId } from "../security/sharedId.ts"
import type { PairedWith } from "./Pairing.ts"
import { pauseAfter } from "./Relay.ts"
import { awaitBump, awaitRef, linkReturns, linkUp, note, type State } from "./State.ts"
import { keptOf } from "./telemetry.ts"

export interface TelemetryRelayContext {
  readonly state: State
  readonly connection: Connection
  readonly cursor: Cursor
  readonly source: string
  readonly paired: () => PairedWith
  readonly dataKeys: () => ReadonlyArray<DataKey>
  readonly settings: Effect.Effect<Settings>
  readonly mirrorReached: (seq: number) => Effect.Effect<void>
}

/** Batches read ahead of the request being made. */
const readAhead = 2
const patience = Duration.seconds(5)
const mirrorPatience = Duration.seconds(60)

const decodeAnswer = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Union([TelemetryStored, Verdict])))
const decoder = new TextDecoder()

/** What one request holds, and how far in TELEMETRY_OUT it goes. */
interface Prepared {
  readonly items: ReadonlyArray<Uint8Array>
  /** The batches its events were emitted in. */
  readonly traces: ReadonlyArray<{ readonly traceparent?: string }>
  readonly taken: number
  readonly to: number
}

/**
 * Send what TELEMETRY_OUT holds, for ever: gate, seal, one request at a time, and the position moves only on `stored`.
 * A request whose answer got lost is sent again; the hosted side knows each event by its id.
 */
export const runTelemetryRelay = Effect.fn("local.telemetryRelay")(function*(context: TelemetryRelayContext): Effect.fn.Return<never> {
  const { state } = context
  for (let tries = 0;;) {
    yield* awaitRef(state.needs, (needs) => needs === undefined)
    yield* awaitRef(state.paused, (paused) => !paused)
    yield* awaitRef(state.link, ({ up }) => up)
    const stopped = yield* Effect.result(session(context))
    if (Result.isSuccess(stopped)) {
      tries = 0
      // the settings stop everything: not before they change
      yield* awaitBump(state.settingsSeen)
    } else {
      note(state, yield* Clock.currentTimeMillis, "telemetry: TELEMETRY_OUT does not answer")
      yield* Effect.sleep(pauseAfter(tries++, yield* Random.next))
    }
  }
})

/** From the position on, until the settings stop it. */
const session = Effect.fnUntraced(function*(context: TelemetryRelayContext): Effect.fn.Return<void, LogUnavailable, Scope.Scope> {
  const batches = yield* Queue.bounded<ReadonlyArray<Stored>>(readAhead)
  const reader = yield* context.cursor.read.pipe(Stream.runForEach((batch) => Queue.offer(batches, batch)), Effect.forkScoped)
  const failed = Fiber.join(reader).pipe(Effect.andThen(Effect.never))
  yield* Effect.raceFirst(sendAll(context, batches), failed)
}, Effect.scoped)

const sendAll = Effect.fnUntraced(function*(context: TelemetryRelayContext, batches: Queue.Queue<ReadonlyArray<Stored>>) {
  let pending: ReadonlyArray<Stored> = []
  for (;;) {
    if (pending.length === 0 || (pending.length < telemetryBatchMax && (yield* Queue.size(batches)) > 0)) {
      pending = pending.concat(...yield* Queue.takeAll(batches))
    }
    const prepared = prepare(context, pending, yield* context.settings, isoTime(yield* Clock.currentTimeMillis))
    if (prepared === undefined) return
    if (prepared.items.length > 0 && !(yield* send(context, prepared).pipe(tracedTelemetry("maestra.relay", () => prepared.traces)))) continue
    pending = pending.slice(prepared.taken)
    yield* context.cursor.ack(prepared.to)
  }
})

/** As many events as one request may hold; `undefined` where the settings let nothing leave now. */
const prepare = (context: TelemetryRelayContext, pending: ReadonlyArray<Stored>, settings: Settings, now: string): Prepared | undefined => {
  const keys = context.dataKeys()
  const key = keys.at(-1)!
  // ids keep the name they first had outside, whichever key seals today
  const idKey = keys[0]!
  const items: Array<Uint8Array> = []
  const traces: Array<{ readonly traceparent?: string }> = []
  let bytes = 0
  let taken = 0
  for (const stored of pending) {
    if (items.length === telemetryBatchMax) break
    const kept = keptOf(stored)
    const verdict = kept === undefined ? undefined : telemetryGate({ event: kept.event, settings, shareId: (id) => sharedId(idKey, id) })
    if (verdict?._tag === "stop") {
      if (taken === 0) return undefined
      break
    }
    if (verdict?._tag === "send") {
      const envelope = telemetryEnvelope(verdict.event, { source: context.source, time: now, traceparent: kept?.traceparent })
      const item = encodeTelemetry({ ...envelope, datacontenttype: "application/jose", data: seal(key, JSON.stringify(verdict.event)) })
      if (items.length > 0 && bytes + item.length > telemetryBatchMaxBytes) break
      bytes += item.length
      items.push(item)
      traces.push(envelope)
    }
    taken++
  }
  return { items, traces, taken, to: pending[taken - 1]!.seq }
}

/** Ask until it is stored; false where it has to be gated again first. */
const send = Effect.fnUntraced(function*(context: TelemetryRelayContext, prepared: Prepared): Effect.fn.Return<boolean> {
  const { state } = context
  const framed = frameItems(prepared.items)
  const noted = (what: string) => Effect.map(Clock.currentTimeMillis, (at) => note(state, at, what))
  for (let tries = 0;; tries++) {
    const answer = yield* Effect.result(ask(context, framed))
    const decoded = Result.isSuccess(answer) ? decodeAnswer(decoder.decode(answer.success)) : undefined
    if (decoded !== undefined && Result.isSuccess(decoded)) {
      const said = decoded.success
      switch (said.verdict) {
        case "stored":
          for (const { error, event_id } of said.rejected) yield* noted(`telemetry event ${event_id} was refused: ${error}`)
          return true
        case "rate_limited":
          state.retries[said.verdict] = (state.retries[said.verdict] ?? 0) + 1
          yield* Effect.sleep(Duration.millis(said.retry_after_ms))
          continue
        case "withheld":
          yield* context.mirrorReached(said.settings_seq).pipe(Effect.timeoutOption(mirrorPatience))
          return false
        case "invalid":
          // this very request can never be taken, and what waits behind it could
          yield* noted(`a telemetry request was refused: ${said.why}`)
          return true
      }
      // expired, revoked, unknown: the relay of commits hears the same and acts; busy and the rest pass
    }
    yield* Effect.timeoutOption(linkReturns(state), pauseAfter(tries, yield* Random.next))
  }
})

/** An answer cannot come any more once the link is down: ask again as soon as it is back. */
const ask = (context: TelemetryRelayContext, framed: Uint8Array): Effect.Effect<Uint8Array, NoResponders | RequestTimedOut> => {
  const { peer_id, tenant } = context.paired()
  const subject = subjects.ingest(tenant, peer_id, "telemetry")
  const down = Effect.andThen(awaitRef(context.state.link, ({ up }) => !up), Effect.fail(new RequestTimedOut({ subject })))
  return linkUp(context.state)
    ? Effect.raceFirst(context.connection.request(subject, framed, patience), down)
    : awaitRef(context.state.link, ({ up }) => up).pipe(Effect.andThen(Effect.fail(new RequestTimedOut({ subject }))))
}
