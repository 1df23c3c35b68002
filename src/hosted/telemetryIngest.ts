import { Clock, Effect, Result } from "effect"
import { decodeTelemetry, readTelemetry, type TelemetryStored } from "../../streams/telemetry.ts"
import { isoTime } from "../../streams/time.ts"
import { tracedTelemetry } from "../../streams/tracing.ts"
import { unframeItems } from "../security/framing.ts"
import { admitSender, type Facts, type Refusal } from "../security/admit.ts"
import type { IngestFacts } from "./ingest.ts"
import type { SealedTelemetry, TelemetryLog } from "./telemetryStore.ts"

export interface TelemetryIngestContext {
  readonly facts: (tenant: string, sender: string, now: string) => IngestFacts | undefined
  readonly telemetry: TelemetryLog
}

type Rejected = TelemetryStored["rejected"][number]

/**
 * Take one request of a leaf: framed, sealed events. Known → not revoked → not expired → consent → rate → durable.
 *
 * `stored` means all of it is, but for the events it names, which nobody can accept. Anything else: send it again as it
 * was; what was stored already is recognised by its message id, or at the latest by the roll-ups.
 */
export const ingestTelemetry = Effect.fnUntraced(function*(
  context: TelemetryIngestContext,
  tenant: string,
  sender: string,
  data: Uint8Array
): Effect.fn.Return<Refusal | Pick<TelemetryStored, "verdict" | "rejected">> {
  const facts = context.facts(tenant, sender, isoTime(yield* Clock.currentTimeMillis))
  const heard = admitSender(facts)
  if (Result.isFailure(heard)) return heard.failure
  const items = unframeItems(data)
  if (Result.isFailure(items)) return { verdict: "invalid", event_id: "", why: items.failure.why }
  const { settings, settingsSeq } = facts!
  if (!settings.sync_enabled || !settings.sync_telemetry) return { verdict: "withheld", settings_seq: settingsSeq }
  const drawn = yield* facts!.draw("telemetry", items.success.length)
  if (!drawn.granted) return { verdict: "rate_limited", retry_after_ms: drawn.retryAfterMillis }

  const rejected: Array<Rejected> = []
  const good: Array<SealedTelemetry> = []
  for (const bytes of items.success) {
    const read = admitTelemetry(bytes, facts!, heard.success.backendId)
    if ("error" in read) rejected.push(read)
    else good.push(read)
  }
  const stored = yield* context.telemetry.store(tenant, sender, good).pipe(tracedTelemetry("maestra.ingest", () => good))
  for (const [i, one] of stored.entries()) {
    if (Result.isSuccess(one)) continue
    // not taken for a reason that passes: the whole request again
    if (one.failure._tag !== "LogRefused") return { verdict: "busy" }
    rejected.push({ event_id: good[i]!.eventId, error: one.failure.why })
  }
  return { verdict: "stored", rejected }
})

/** Judge one event by itself: it is what it says it is, from whom it says, and opens with its tenant's key. */
const admitTelemetry = (bytes: Uint8Array, facts: Pick<Facts, "unseal">, backendId: string): SealedTelemetry | Rejected => {
  const decoded = decodeTelemetry(bytes)
  if (Result.isFailure(decoded)) return { event_id: "", error: decoded.failure }
  const envelope = decoded.success
  const reject = (error: string): Rejected => ({ event_id: envelope.id, error })
  if (envelope.source !== backendId) return reject("source is not the sender")
  if (envelope.datacontenttype !== "application/jose") return reject("the data is not sealed")
  const data = facts.unseal(envelope)
  if (Result.isFailure(data)) return reject(data.failure)
  const event = readTelemetry(data.success)
  if (Result.isFailure(event)) return reject(event.failure)
  if (event.success.event_id !== envelope.id || event.success.event_type !== envelope.type) return reject("id and type are not those of the event inside")
  const { id, traceparent, type } = envelope
  return { eventId: id, type, bytes, ...(traceparent === undefined ? {} : { traceparent }) }
}
