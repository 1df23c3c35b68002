import { Clock, Duration, Effect, Result, Stream } from "effect"
import { decode, type Envelope } from "../../streams/Envelope.ts"
import { defaults } from "../../streams/events/settings.ts"
import type { Audit } from "../../streams/Audit.ts"
import type { Expired } from "../../streams/TenantData.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { parseLog, subjects } from "../../streams/subjects.ts"
import type { WriteInvalid } from "../../streams/Backend.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import type { Parts } from "./Base.ts"
import type { OwnCommits } from "./OwnCommits.ts"

/** Conversations are looked at once a day, and at a start, which may be what follows a kill in the middle of a run. */
const runEvery = Duration.days(1)

interface Keeping extends Pick<Parts, "hosted" | "settings"> {
  readonly audit: Pick<Audit["Service"], "record">
  readonly keyring: Pick<Parts["keyring"], "open">
  readonly tenants: { readonly all: () => Iterable<{ readonly tenant: string }> }
  readonly partitions: { readonly of: (tenant: string) => { readonly log: EventLog } }
}

/** Remove what has been kept long enough, every day, for ever. */
export const keepRetention = (base: Keeping, own: Pick<OwnCommits, "writeIf">): Effect.Effect<never> =>
  expire(base, own).pipe(
    Effect.tap(({ conversations, events }) => conversations === 0 ? Effect.void : Effect.logInfo("retention removed what was kept long enough", { conversations, events })),
    Effect.catchTag("LogUnavailable", () => Effect.logWarning("retention stopped half way: the log does not answer; it goes on with the next run")),
    Effect.andThen(Effect.sleep(runEvery)),
    Effect.forever)

/**
 * Remove every conversation whose last change is as old as its tenant's `retention_days`, by the log's own timestamps.
 *
 * Each by itself: announce it, fenced on its last event, then purge what was announced. Stopped between the two, the next
 * run purges; a conversation somebody writes to meanwhile is left alone. Any number of processes may do this at once.
 */
export const expire = Effect.fn("hosted.expire")(function*(base: Keeping, own: Pick<OwnCommits, "writeIf">, only?: string): Effect.fn.Return<Expired, LogUnavailable> {
  const { partitions, settings, tenants } = base
  let conversations = 0
  let events = 0
  for (const { tenant } of [...tenants.all()]) {
    if (only !== undefined && tenant !== only) continue
    const { retention_days } = settings.get(tenant)?.settings ?? defaults
    const before = (yield* Clock.currentTimeMillis) - Duration.toMillis(Duration.days(retention_days))
    const { log } = partitions.of(tenant)
    for (const [subject, held] of yield* log.subjects(subjects.logConversations(tenant))) {
      const removed = yield* expireOne(base, own, { tenant, subject, held, before, log })
      if (removed > 0) conversations++
      events += removed
    }
  }
  return { conversations, events }
})

interface One {
  readonly tenant: string
  readonly subject: string
  /** How many events it has. */
  readonly held: number
  /** What was last changed at or before this, in milliseconds since 1970, goes. */
  readonly before: number
  readonly log: EventLog
}

const expireOne = Effect.fnUntraced(function*(base: Pick<Keeping, "audit" | "hosted" | "keyring">, own: Pick<OwnCommits, "writeIf">, { before, held, log, subject, tenant }: One): Effect.fn.Return<number, LogUnavailable> {
  const last = yield* log.last(subject)
  if (last._tag === "None") return 0
  const { seq, time } = last.value
  if (announces(last.value, base.hosted.backendId)) return held > 1 ? yield* log.purge({ subject, before: seq }) : 0
  if (time > before) return 0
  const purged = yield* log.readRange({ from: 1, through: seq, filter: subject }).pipe(Stream.runFold(noPlaces, addPlaces((envelope) => base.keyring.open(tenant, envelope))))
  const at = parseLog(subject)
  if (Result.isFailure(at)) return 0
  const fact = { type: "conversation.expired" as const, data: { before_seq: seq + 1, purged } }
  const written = yield* own.writeIf(tenant, { fact, subject: at.success.id, surface: "hosted" }, seq).pipe(
    Effect.catchTag("WriteInvalid", ({ why }: WriteInvalid) => Effect.as(Effect.logError(`a conversation cannot expire: ${why}`, { tenant, events: purged.length }), undefined)))
  if (written !== undefined) yield* base.audit.record({ type: "conversation.expired", tenant, data: { before_seq: seq + 1 } })
  return written === undefined ? 0 : yield* log.purge({ subject, before: seq + 1 })
})

/** An announcement is fenced on the last event before it: everything below it is what it announced. */
const announces = ({ data }: Stored, hosted: string): boolean => {
  const envelope = decode(data)
  return Result.isSuccess(envelope) && envelope.success.type === "conversation.expired" && envelope.success.source === hosted
}

const noPlaces = (): Array<readonly [number, string | null]> => []

/** Each event's place; an earlier announcement goes with them, so what it announced is said once more. */
const addPlaces = (open: (envelope: Envelope) => OpenResult) => (places: Array<readonly [number, string | null]>, batch: ReadonlyArray<Stored>) => {
  for (const { data, seq } of batch) {
    const envelope = decode(data)
    if (Result.isFailure(envelope)) {
      places.push([seq, null])
      continue
    }
    places.push([seq, envelope.success.id])
    const opened = envelope.success.type === "conversation.expired" ? open(envelope.success) : undefined
    if (opened !== undefined && Result.isSuccess(opened) && opened.success.fact.type === "conversation.expired") places.push(...opened.success.fact.data.purged ?? [])
  }
  return places
}
