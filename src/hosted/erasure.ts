import { Clock, Duration, Effect, Option, Result } from "effect"
import { CommandFailed } from "../../streams/Backend.ts"
import { streams } from "../../streams/definitions.ts"
import type { Erased, ErasureReceipt } from "../../streams/ErasureReceipt.ts"
import { subjects } from "../../streams/subjects.ts"
import { isoTime } from "../../streams/time.ts"
import type { EventLog, LogUnavailable, Stored } from "../nats/EventLog.ts"
import { peerReached } from "../nats/peerConsumer.ts"
import { revokeTool } from "../nats/toolAccess.ts"
import { decode } from "../../streams/Envelope.ts"
import type { Base } from "./Base.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import { withoutTools } from "./tools.ts"

/** How long the word has to reach the machines that are online before the answer is given. */
const reachMax = Duration.seconds(5)
const lookEvery = Duration.millis(200)
/** A commit that was being judged when the secrets went is in the log, or refused, within this. */
const inFlightMax = Duration.millis(500)

const notNow = new CommandFailed({ status: 503, type: "not-reachable", hint: "The hub does not answer right now. What was begun is finished at the next start, or by erasing again." })
const decoder = new TextDecoder()

/**
 * Erase everything of one tenant: its secrets and keys, its part of the log, telemetry, alerts, tables. One signed event
 * stays that says so. Each step may be repeated; stopped half way, the next start (`resumeErasures`) goes on.
 */
export const erase = Effect.fn("hosted.erase")(function*(base: Base, own: Pick<OwnCommits, "write">, tenant: string): Effect.fn.Return<Erased, CommandFailed> {
  const before = base.tenants.peek(tenant)
  if (before === undefined) return yield* new CommandFailed({ status: 404, type: "unknown-tenant", hint: "There is no such tenant here." })
  const erased_at = before.erased?.at ?? isoTime(yield* Clock.currentTimeMillis)
  return yield* Effect.gen(function*() {
    // from here on nobody reads or writes: on every process that hears of it, which takes milliseconds
    yield* base.tenants.update(tenant, (record) => Result.succeed(shutOutAll(record, erased_at)))
    if (before.user_id !== "") yield* base.tenants.releaseUser(before.user_id)
    yield* Effect.forEach(before.tools ?? [], ({ name }) => Effect.ignore(revokeTool(base.service, { tenant, name, log: base.partitions.of(tenant).log.name })), { discard: true })
    yield* Effect.sleep(inFlightMax)
    const { log } = base.partitions.of(tenant)
    const { receipt, recordSeq } = yield* announce(base, own, tenant, erased_at)
    // the tables forget first: what they remember of the log would be missed in it
    yield* base.projections.settled(base.partitions.of(tenant).cursor, recordSeq).pipe(Effect.timeoutOption(reachMax))
    const messages = (yield* sweep(log, tenant, recordSeq)) + (yield* sweepOthers(base, tenant))
    yield* base.tenants.update(tenant, (record) => Result.succeed({ ...record, user_id: "", data_keys: [], erased: { at: erased_at, receipt } }))
    yield* base.forgetting.forget(tenant)
    yield* base.audit.record({ type: "tenant.erased", tenant, data: {} })
    const gone = [...before.devices, ...before.gone.filter(({ what }) => what === "erased")]
    const devices = yield* whoHeard(base, log.name, recordSeq, gone)
    return { tenant, erased_at, messages, ...yield* keysOf(base, tenant), devices, receipt }
  }).pipe(Effect.catchTags({ LogUnavailable: () => Effect.fail(notNow), TenantsUnavailable: ({ hint }) => Effect.fail(new CommandFailed({ status: 503, type: "try-again", hint })) }))
})

/** Erasures that a kill stopped half way, and those that a restored log has forgotten. */
export const resumeErasures = Effect.fnUntraced(function*(base: Base, own: Pick<OwnCommits, "write">) {
  for (const { erased, tenant } of [...base.tenants.all()]) {
    if (erased === undefined || (erased.receipt !== undefined && (yield* Effect.orElseSucceed(isErasedIn(base, tenant), () => true)))) continue
    yield* erase(base, own, tenant).pipe(
      Effect.tap(() => Effect.logInfo("an erasure that was stopped half way, or undone by a restore, is complete", { tenant })),
      Effect.tapError(({ hint }) => Effect.logWarning("an erasure is not complete yet", { tenant, hint })),
      Effect.ignore)
  }
})

/**
 * What a restored log brought back of tenants that were erased since: it opens with nothing, and goes before anybody
 * reads it and takes it for damage. `resumeErasures` then says again that they are erased.
 */
export const sweepRestored = Effect.fnUntraced(function*(base: Pick<Base, "partitions" | "tenants">) {
  for (const { erased, tenant } of [...base.tenants.all()]) {
    if (erased?.receipt === undefined || (yield* isErasedIn(base, tenant))) continue
    const messages = yield* base.partitions.of(tenant).log.purge({ subject: subjects.logTenant(tenant) })
    yield* Effect.logWarning("a restored log held events of somebody who was erased since; they are gone", { tenant, messages })
  }
}, Effect.catchTag("LogUnavailable", () => Effect.logWarning("whether the log holds anything of tenants that were erased is seen at the next start: it does not answer")))

/** Whether a log holds of a tenant exactly what says that it was erased. */
const isErasedIn = ({ partitions }: Pick<Base, "partitions">, tenant: string) =>
  Effect.map(partitions.of(tenant).log.subjects(subjects.logTenant(tenant)), (held) => held.size === 2 && held.has(subjects.logSettings(tenant)) && held.has(subjects.logCommit(tenant, "hosted")))

/** The store's key is replaced by whoever keeps it, record by record: thousands of tenants a second. */
const turnMax = Duration.seconds(15)

/** Whether copies of the store from before open with nothing any more, and what an operator has to do for that. */
const keysOf = Effect.fnUntraced(function*({ tenants }: Pick<Base, "tenants">, tenant: string) {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(turnMax)
  for (;;) {
    const { backups_left = 0, keys_destroyed_at } = tenants.peek(tenant)?.erased ?? {}
    if (keys_destroyed_at !== undefined) return { keys_destroyed: true, to_do: backups_left === 0 ? null : backupsLeft(backups_left) }
    if ((yield* Clock.currentTimeMillis) >= deadline) return { keys_destroyed: false, to_do: keeperMissing }
    yield* Effect.sleep(lookEvery)
  }
})

const keeperMissing = "This person's data key is gone from the tenant store, and a copy of it lies in the store's files under the store's own key, which is replaced as soon as the process that keeps it runs: on a cluster the admin role (`maestra hosted cluster up --only admin`). Nothing else is to be done."

const backupsLeft = (count: number): string =>
  `${count === 1 ? "One backup of keys" : `${count} backups of keys`} cannot be replaced from here and, with the master key, still open this person's older log backups: run \`maestra hosted backup --out FOLDER --keys-only\` for each, or destroy them. The hosted side's log names them.`

/** Nobody of this tenant comes back: no pairing code, no device's secret is left, no tool. What is kept says only that. */
const shutOutAll = (record: TenantRecord, at: string): TenantRecord => ({
  ...withoutTools(record, () => true, at),
  pending: [],
  devices: [],
  gone: [
    ...record.gone,
    ...record.devices.map(({ backend_id, companion_of, peer_id, transport_keys }) => ({ backend_id, peer_id, what: "erased" as const, at, transport_keys, ...(companion_of === undefined ? {} : { companion_of }) }))
  ],
  erased: { at, ...record.erased }
})

interface Announced {
  readonly receipt: ErasureReceipt
  readonly recordSeq: number
}

/** The one event that stays, and hosted's record over it: written, or found where an earlier try wrote it. */
const announce = Effect.fnUntraced(function*(base: Base, own: Pick<OwnCommits, "write">, tenant: string, erased_at: string): Effect.fn.Return<Announced, LogUnavailable | CommandFailed> {
  const { log } = base.partitions.of(tenant)
  const said = yield* lastErasure(log, tenant)
  if (said === undefined) {
    const { lastSeq } = yield* log.info
    yield* own.write(tenant, [{ fact: { type: "tenant.erased", data: { erased_at, before_seq: lastSeq + 1 } }, subject: tenant, surface: "hosted" }]).pipe(Effect.mapError(() => notNow))
  }
  const event = said ?? (yield* lastErasure(log, tenant))
  const record = event === undefined ? Option.none<Stored>() : yield* log.get(event.seq + 1)
  if (event === undefined || Option.isNone(record)) return yield* notNow
  return { receipt: { event: decoder.decode(event.data), record: decoder.decode(record.value.data) }, recordSeq: record.value.seq }
})

const lastErasure = (log: EventLog, tenant: string) =>
  Effect.map(log.last(subjects.logSettings(tenant)), (last) =>
    Option.getOrUndefined(Option.filter(last, ({ data }) => Result.match(decode(data), { onFailure: () => false, onSuccess: ({ type }) => type === "tenant.erased" }))))

/** Everything of the tenant but the event that says so and its record. */
const sweep = Effect.fnUntraced(function*(log: EventLog, tenant: string, recordSeq: number) {
  const kept: Readonly<Record<string, number>> = { [subjects.logSettings(tenant)]: recordSeq - 1, [subjects.logCommit(tenant, "hosted")]: recordSeq }
  // each conversation is a subject of its own, and there may be many thousands
  let messages = yield* log.purge({ subject: subjects.logConversations(tenant) })
  for (const subject of (yield* log.subjects(subjects.logTenant(tenant))).keys()) {
    const before = kept[subject]
    messages += yield* log.purge({ subject, ...(before === undefined ? {} : { before }) })
  }
  return messages
})

const sweepOthers = Effect.fnUntraced(function*(base: Base, tenant: string) {
  const telemetry = yield* base.telemetryLog.purge({ subject: `${streams.telemetry.name.toLowerCase()}.${tenant}.>` })
  const alerts = yield* base.alerting.log.purge({ subject: `${streams.alerts.name.toLowerCase()}.${tenant}.>` })
  return telemetry + alerts
})

/** Backends with a mirror. */
const mirrored = "local_"

/** Who has the word in its mirror already; whoever has not, and every companion, which has none, is told at its next request. */
const whoHeard = Effect.fnUntraced(function*(base: Base, log: string, recordSeq: number, gone: ReadonlyArray<{ readonly peer_id: string; readonly backend_id: string }>) {
  const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(reachMax)
  for (;;) {
    const devices = yield* Effect.forEach(gone, ({ backend_id, peer_id }) =>
      Effect.map(peerReached(base.service, { log, peer: peer_id }), (seq) => ({ peer_id, backend_id, reached: seq >= recordSeq })))
    if (devices.every(({ backend_id, reached }) => reached || !backend_id.startsWith(mirrored)) || (yield* Clock.currentTimeMillis) >= deadline) return devices
    yield* Effect.sleep(lookEvery)
  }
})
