import { Context, Duration, Effect, Exit, Layer, Option, SubscriptionRef } from "effect"
import { join } from "node:path"
import { keepSearchable } from "../../projections/conversations/searchIndex.ts"
import type { Projections } from "../../projections/runner.ts"
import { lastDay } from "../../projections/telemetry/dashboard.ts"
import type { Sqlite } from "../../projections/Sqlite.ts"
import { Advisor } from "../../streams/Advisor.ts"
import { EndedSessions, Keys, Nonces, Tickets, Tools } from "../../streams/Access.ts"
import { Audit } from "../../streams/Audit.ts"
import { CommandFailed, Companions, EventTail, LocalControl, Maintenance, Registrar, selfTenant, Syncing, Writer } from "../../streams/Backend.ts"
import { Observing } from "../../streams/Observing.ts"
import { Alerts } from "../../streams/alerts.ts"
import { Limits } from "../../streams/RateLimits.ts"
import { TelemetryStore } from "../../streams/TelemetryStore.ts"
import { mirrorName } from "../../streams/definitions.ts"
import { TenantData } from "../../streams/TenantData.ts"
import { TelemetrySink } from "../../streams/telemetry.ts"
import { version } from "../../streams/version.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { gaugesOf } from "../observing/gauges.ts"
import { type PartError, whyOf } from "../observing/startErrors.ts"
import { AuthorKeys } from "../security/AuthorKeys.ts"
import { keystoreLayer } from "../security/chooseKeystore.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import { nonces } from "../security/NonceCache.ts"
import { localAlerting } from "./alerting.ts"
import { auditedRegistrar } from "../security/auditedRegistrar.ts"
import { makeAdvisor } from "./advisor.ts"
import { auditDrafts, auditedCompanions, auditedControl, auditedSyncing, claimedOnLocal } from "./audited.ts"
import { type Base, type LocalOptions, LocalStartError, openBase } from "./Base.ts"
import { type ControlContext, makeControl, reach } from "./control.ts"
import { localChecks } from "./checks.ts"
import { makeCompanionCodes } from "./companionCodes.ts"
import { eraseEverywhere, keepErasing } from "./erasure.ts"
import { journalCursor, projectJournal, watchJournal } from "./journalLoop.ts"
import { followPairing } from "./linked.ts"
import { maintainLocal } from "./maintenance.ts"
import { keepLooking, localObserving, type ObservingContext } from "./observing.ts"
import { localRegistrar } from "./registrar.ts"
import { rejournal } from "./rejournal.ts"
import { listLocalKeys, rotateLocal } from "./rotation.ts"
import { syncingOnLocal } from "./syncing.ts"
import { projectionsLayer } from "./tablesOf.ts"
import { nowLocal, type TailContext, tailLocal } from "./tail.ts"
import { keepCountingTelemetry } from "./telemetry.ts"
import { keepShutOut } from "./shutOut.ts"
import { openTools } from "./tools.ts"
import { localLimits, localTickets } from "./visitors.ts"
import { pairedIn } from "./State.ts"

/** Status asks for *offline* only after this: a renewed token costs the leaf about one second. */
const offlineAfter = Duration.seconds(3)

type Provided = Writer | Syncing | Companions | Registrar | EventTail | LocalControl | Maintenance | TelemetryStore | TelemetrySink | Limits | Tickets | Nonces | EndedSessions | Keys | Tools | Advisor | Audit | Sqlite | Projections | Observing | TenantData | Alerts

/** A local backend, running as long as the layer lives. A part that fails stops all, loudly. */
export const localBackend = (options: LocalOptions): Layer.Layer<Provided, LocalStartError> =>
  Layer.effectContext(start(options)).pipe(
    Layer.provideMerge(projectionsLayer(join(options.dataDir, "local.sqlite"))),
    Layer.provide(keystoreLayer({ file: join(options.dataDir, "keystore.json") })),
    Layer.catch((error) => Layer.effectContext(Effect.fail(startError(error, join(options.dataDir, "local.sqlite"))))))

const startError = (error: PartError, tables: string): LocalStartError =>
  error._tag === "LocalStartError" && error instanceof LocalStartError ? error : new LocalStartError({ why: whyOf(error, tables), hint: error.hint ?? error.message })

const start = Effect.fn("localBackend")(function*(options: LocalOptions) {
  const base = yield* openBase(options)
  let askNow: Effect.Effect<void> = Effect.void
  yield* supervise(options, "audit", base.audit.run)
  yield* supervise(options, "journal", base.journal.run)
  yield* supervise(options, "journal projection", projectJournal(base.reading).pipe(Effect.orDie))
  yield* supervise(options, "journal stream", watchJournal(base.journalLog))
  yield* supervise(options, "telemetry", keepCountingTelemetry(base.telemetryParts, base.ask))
  yield* supervise(options, "telemetry emitter", base.sink.run)
  yield* supervise(options, "sync telemetry", base.syncTelemetry.run)
  yield* supervise(options, "pairing", followPairing(base, (ask) => { askNow = ask }))
  yield* supervise(options, "search", base.ask(keepSearchable))
  yield* supervise(options, "erasure", keepErasing(base))
  const observing: ObservingContext = { ...base, logRead: () => base.seen.log_seq }
  yield* supervise(options, "observing", keepLooking(observing))
  const alerting = yield* localAlerting({ ...observing, disk: base.disk }, options)
  yield* supervise(options, "alerts", alerting.run)
  const tools = yield* openTools(base)
  yield* supervise(options, "tools", tools.run)
  yield* supervise(options, "revocation", keepShutOut({ state: base.state, audit: base.audit.service, endTools: tools.endAll }))
  const seen = localObserving(observing)
  const gauges = gaugesOf({ side: "local", version, observing: seen, alerts: alerting.port, quarantined: base.tables.quarantined, lastDay: base.ask(lastDay(selfTenant)), diskFreeBytes: () => SubscriptionRef.getUnsafe(base.disk).freeBytes })
  return services(base, options, Effect.suspend(() => askNow), { ...seen, gauges, checks: localChecks(base) }, alerting.port).pipe(Context.add(Tools, tools.service))
})

/** The ports a gateway stands on. */
const services = (base: Base, options: LocalOptions, askNow: Effect.Effect<void>, observing: Observing["Service"], alerts: Alerts["Service"]) => {
  const { journal, projections } = base
  const audit = base.audit.service
  const control: ControlContext = {
    ...base,
    askNow,
    logRead: () => base.seen.log_seq,
    rejournal: Effect.flatMap(base.tables.withheld, (ids) => rejournal(journal, base.journalLog, ids)),
    peerKey: (peer) => Effect.map(base.tables.keys, (keys) => keys.find(([, author]) => author === peer)?.[2].keys.at(-1)?.keyId),
    debugPeer: observing.debug,
    versions: { maestra: version, nats_server: base.serverVersion },
    offlineAfter
  }
  const tail = tailOf(base)
  return Context.make(Writer, Writer.of({
    named: (_, id) => id,
    write: (_, drafts) => Effect.tap(journal.write(drafts), () => auditDrafts(audit, drafts)),
    settled: () => projections.settled(journalCursor, journal.acknowledged()),
    reach: (_, written, tier, timeoutMillis) => reach(control, written, tier, timeoutMillis)
  })).pipe(
    Context.add(Audit, audit),
    Context.add(Registrar, auditedRegistrar(audit, localRegistrar({ ...base, httpUrl: options.httpUrl }), (bearer) => claimedOnLocal(base.companions, bearer))),
    Context.add(Syncing, Syncing.of(auditedSyncing(audit, syncingOnLocal({ ...base, mirror: tail.mirror })))),
    Context.add(Companions, Companions.of(auditedCompanions(audit, makeCompanionCodes(base)))),
    Context.add(EventTail, EventTail.of({ now: () => nowLocal(tail), tail: (request) => tailLocal(tail, request) })),
    Context.add(Observing, observing),
    Context.add(Alerts, alerts),
    Context.add(LocalControl, auditedControl(audit, base.state, makeControl(control))),
    Context.add(TelemetryStore, base.telemetry),
    Context.add(TelemetrySink, base.sink),
    Context.add(Limits, localLimits()),
    Context.add(Keys, Keys.of({ list: listLocalKeys(base), rotate: (which) => rotateLocal(base, which) })),
    Context.add(Tickets, localTickets()),
    Context.add(Nonces, nonces()),
    Context.add(EndedSessions, base.endedSessions),
    Context.add(TenantData, TenantData.of({
      userOf: () => Effect.sync(() => pairedIn(base.state)?.with.user_id ?? null),
      erase: () => eraseEverywhere(base),
      expire: () => Effect.fail(new CommandFailed({ status: 409, type: "hosted-only", hint: "Retention is the hosted side's: this machine keeps what was written on it." }))
    })),
    Context.add(Advisor, makeAdvisor(options.advisor, { key: base.advisorKey, sink: base.sink })),
    Context.add(Maintenance, Maintenance.of(maintainLocal({ ...base, journal: base.journalLog, mirror: tail.mirror })))
  )
}

const tailOf = ({ agent, dataKeys, journalLog, projections, source, state, tables }: Base): TailContext => ({
  journal: journalLog,
  mirror: () => Option.isSome(SubscriptionRef.getUnsafe(state.paired)) ? jetStreamLog(agent, mirrorName) : undefined,
  source,
  dataKeys,
  keys: Effect.map(tables.keys, (keys) =>
    Option.match(SubscriptionRef.getUnsafe(state.paired), {
      onNone: () => new AuthorKeys({ backendId: "", keys: [] }),
      onSome: ({ with: paired }) => new AuthorKeys(
        { backendId: paired.hosted.backend_id, keys: keysOfIdentity(paired.hosted) },
        keys.map(([, author, entry]) => [paired.tenant, author, entry] as const))
    })),
  projections
})

/** A part that ends, ends the process: nothing goes on half. */
const supervise = (options: LocalOptions, name: string, part: Effect.Effect<unknown, unknown>) =>
  part.pipe(
    Effect.onExit((exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${name} stopped`, exit), options.onBroken(name))),
    Effect.forkScoped)
