import { Clock, Context, Duration, Effect, Layer, Stream, SubscriptionRef } from "effect"
import { join } from "node:path"
import { keepSearchable } from "../../projections/conversations/searchIndex.ts"
import { listPeers } from "../../projections/peers/queries.ts"
import type { Projections } from "../../projections/runner.ts"
import type { Sqlite } from "../../projections/Sqlite.ts"
import { AdminTokens, Keys, Nonces, OperatorSessions, Tickets, Tools } from "../../streams/Access.ts"
import { Audit } from "../../streams/Audit.ts"
import { EventTail, HostedControl, Maintenance, type Reached, Registrar, RegistrationRefused, StoreFull, Syncing, type Tier, Writer, type Written } from "../../streams/Backend.ts"
import { Observing, Stirrings } from "../../streams/Observing.ts"
import { TenantData } from "../../streams/TenantData.ts"
import { Alerts } from "../../streams/alerts.ts"
import { Limits } from "../../streams/RateLimits.ts"
import { TelemetryStore } from "../../streams/TelemetryStore.ts"
import { defaults } from "../../streams/events/settings.ts"
import { damage } from "../../projections/syncState/queries.ts"
import { lastDay } from "../../projections/telemetry/dashboard.ts"
import { gaugesOf } from "../observing/gauges.ts"
import { type PartError, whyOf } from "../observing/startErrors.ts"
import { logPartitions, streams } from "../../streams/definitions.ts"
import { pairingMinutesMax } from "../../streams/limits.ts"
import { version } from "../../streams/version.ts"
import { compareStreams } from "../nats/compareStreams.ts"
import { issueLeaf } from "../nats/leafCredentials.ts"
import { replicasOf } from "../nats/replicas.ts"
import { clientViolations, leafViolations } from "../nats/violations.ts"
import { tokenLifeMax } from "../security/sessionToken.ts"
import { adminTokens } from "./adminTokens.ts"
import { auditedRegistrar } from "../security/auditedRegistrar.ts"
import { type Base, claimDirectory, type HostedOptions, HostedStartError, openBase, supervise } from "./Base.ts"
import { hostedAlerting } from "./alerting.ts"
import { makeHostedControl } from "./control.ts"
import { registerOnHosted, type RegistrarContext } from "./HostedRegistrar.ts"
import { authenticateOnHosted, claimedOnHosted } from "./sessions.ts"
import { gated, nameOnHosted } from "./gated.ts"
import { type IngestContext, serveIngest } from "./ingest.ts"
import { hostedKeys, keepKeys } from "./keyRotation.ts"
import { watchCluster, watchJoined, watchLog } from "./LogWatch.ts"
import { maintainHosted } from "./maintenance.ts"
import { hostedNonces } from "./nonces.ts"
import { hostedObserving, keepLooking } from "./observing.ts"
import { operatorSessions } from "./operatorSessions.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import { ingestOf, keepMark, keepProjecting, openChains, ownOf } from "./parts.ts"
import { keepReports } from "./reports.ts"
import { keepSightings } from "./sightings.ts"
import { hostedStirrings } from "./stirrings.ts"
import { syncingOnHosted } from "./syncing.ts"
import { projectionsLayer, remembered } from "./tablesOf.ts"
import { tailHosted } from "./tail.ts"
import { hostedTelemetry, keepCountingTelemetry, limitsOf } from "./telemetry.ts"
import { resumeErasures, sweepRestored } from "./erasure.ts"
import { type BackupContext, backupPart, backupPlan } from "./backup.ts"
import { keyBackups } from "./knownBackups.ts"
import { keepRetention } from "./retention.ts"
import { hostedTenantData } from "./tenantData.ts"
import { signerNow } from "./signingKey.ts"
import { hostedTickets } from "./tickets.ts"
import { auditNoted } from "./toAudit.ts"
import { auditViolations } from "./violations.ts"
import { hostedTools } from "./tools.ts"

type Provided = Writer | Syncing | Registrar | EventTail | HostedControl | Maintenance | TelemetryStore | Limits | Tickets | Nonces | Tools | AdminTokens | OperatorSessions | Keys | Audit | Sqlite | Projections | Observing | TenantData | Alerts

/** One hosted process, running as long as the layer lives. A part that fails stops all, loudly. */
export const hostedBackend = (options: HostedOptions): Layer.Layer<Provided, HostedStartError> =>
  Layer.effectContext(start(options)).pipe(
    Layer.provideMerge(projectionsLayer(join(options.dataDir, "hosted.sqlite"))),
    Layer.provide(Layer.effectDiscard(claimDirectory(options))),
    Layer.catch((error) => Layer.effectContext(Effect.fail(startError(error, join(options.dataDir, "hosted.sqlite"))))))

const startError = (error: PartError, tables: string): HostedStartError =>
  error._tag === "HostedStartError" && error instanceof HostedStartError ? error : new HostedStartError({ why: whyOf(error, tables), hint: error.hint ?? error.message })

const start = Effect.fn("hostedBackend")(function*(options: HostedOptions) {
  const base = yield* openBase(options)
  yield* sweepRestored(base)
  yield* auditNoted(options.dataDir, base.audit)
  const chains = yield* openChains(base)
  const ingest = ingestOf(base, chains)
  yield* supervise(options, "projection", keepProjecting(base, chains))
  yield* supervise(options, "committer", chains.committer.run)
  yield* supervise(options, "ingest", serveIngest(ingest))
  yield* supervise(options, "reports", keepReports(base, base.service))
  yield* supervise(options, "sightings", keepSightings(base.watch, base.sightings))
  yield* supervise(options, "telemetry", keepCountingTelemetry(base))
  yield* supervise(options, "search", base.ask(keepSearchable))
  yield* supervise(options, "log mark", keepMark(base))
  const own = yield* ownOf(base, ingest)
  yield* supervise(options, "keys", keepKeys({ ...base, own }))
  // whoever joined another's hub follows that one's word
  yield* Effect.forkScoped(resumeErasures(base, own))
  // of a cluster's processes none is the one with the hub: each does it, and what two do at once counts once
  const onCluster = base.replicas > 1
  if (base.marks !== undefined || onCluster) yield* supervise(options, "retention", keepRetention(base, own))
  yield* supervise(options, "log watch", base.marks === undefined ? watchJoined(base, own) : watchLog(base, base.service, own))
  if (onCluster) yield* supervise(options, "copies of the log", watchCluster(base, (log) => Effect.map(replicasOf(base.service, log), ({ behind, servers }) => servers.filter((server) => !behind.includes(server)))))
  yield* supervise(options, "forgetting", base.forgetting.run)
  if (base.keepStoreKey !== undefined) {
    const backup = backupOf(base)
    const backups = keyBackups({ dataDir: options.dataDir, plan: backupPlan(backup), part: (name) => backupPart(backup, name) })
    yield* supervise(options, "store key", base.keepStoreKey({ replaceBackups: backups.replace }))
    yield* supervise(options, "backups of keys", backups.keep)
  }
  if (base.system !== undefined && base.server !== undefined) yield* supervise(options, "violations", auditViolations(base, Stream.merge(leafViolations(base.system), clientViolations(base.server.logFile))))
  yield* supervise(options, "observing", keepLooking(base))
  const alerting = yield* hostedAlerting(base, base.alerting)
  yield* supervise(options, "alerts", alerting.run)
  const observing = hostedObserving(base)
  const gauges = gaugesOf({
    side: "hosted",
    version,
    observing,
    alerts: alerting.port,
    quarantined: Effect.map(base.ask(damage), (places) => [...places.values()].reduce((sum, one) => sum + one, 0)),
    lastDay: base.ask(lastDay(undefined)),
    diskFreeBytes: () => base.disk === undefined ? null : SubscriptionRef.getUnsafe(base.disk).freeBytes,
    waitingBytes: () => chains.waits.bytes
  })
  return services(base, own, ingest, { ...observing, gauges, checks: compareStreams(base.service, [...logPartitions(base.count), streams.telemetry, streams.audit, streams.alerts], { replicas: base.replicas }) }, alerting.port)
})

/** The ports a gateway stands on. */
const services = (base: Base, own: OwnCommits, ingest: IngestContext, observing: Observing["Service"], alerts: Alerts["Service"]) => {
  const { ask, hosted, identity, keyring, options, partitions, projections, view } = base
  const registrar = registrarOf(base, own)
  const reading = { logOf: (tenant: string) => partitions.of(tenant).log, hosted, open: keyring.open }
  return Context.make(Writer, Writer.of({
    named: (tenant, id) => nameOnHosted(keyring.first(tenant), id),
    write: (tenant, drafts) => {
      if (SubscriptionRef.getUnsafe(base.disk).state === "full") return Effect.fail(new StoreFull({ hint: base.diskFullHint }))
      const key = keyring.first(tenant)
      return key === undefined ? own.write(tenant, drafts) : Effect.flatMap(Effect.fromResult(gated(drafts, base.settings.get(tenant)?.settings ?? defaults, key)), (shared) => own.write(tenant, shared))
    },
    settled: (tenant) => projections.settled(partitions.of(tenant).cursor, view.of(tenant).lastSeq),
    reach: (tenant, written, tier, timeoutMillis) => reach(base, tenant, written, tier, timeoutMillis)
  })).pipe(
    Context.add(Syncing, Syncing.of(syncingOnHosted(base, ingest))),
    Context.add(Registrar, Registrar.of(auditedRegistrar(base.audit, {
      get identity() { return identity.identity },
      prove: identity.prove,
      register: (body) => registerOnHosted(registrar, body),
      authenticate: (bearer) => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fromResult(authenticateOnHosted(registrar, bearer, now)))
    }, (bearer) => claimedOnHosted(registrar, bearer)))),
    Context.add(Audit, base.audit),
    Context.add(EventTail, EventTail.of({
      now: (tenant) => Effect.sync(() => String(view.of(tenant).lastSeq)),
      tail: (request) => tailHosted({ ...reading, remembered: ask(remembered), end: (tenant) => view.of(tenant).lastSeq, projections, cursorOf: (tenant) => partitions.of(tenant).cursor }, request)
    })),
    Context.add(TelemetryStore, hostedTelemetry(base)),
    Context.add(Limits, limitsOf(base)),
    Context.add(Tickets, hostedTickets(base.tickets)),
    Context.add(Nonces, hostedNonces(base.nonces)),
    Context.add(Tools, hostedTools(base)),
    Context.add(AdminTokens, adminTokens(base.admin)),
    Context.add(OperatorSessions, operatorSessions(base.admin, options.publicUrl)),
    Context.add(Keys, hostedKeys({ ...base, own, signer: base.deployment.signer })),
    Context.add(Observing, observing),
    Context.add(TenantData, TenantData.of(hostedTenantData(base, own))),
    Context.add(Alerts, alerts),
    Context.add(Stirrings, hostedStirrings(base)),
    Context.add(HostedControl, makeHostedControl({
      ...base, own,
      confirmed: (tenant) => Effect.map(ask(listPeers(tenant)), (peers) => new Set(peers.filter(({ confirmed }) => confirmed).map(({ peer_id }) => peer_id))),
      publicUrl: options.publicUrl,
      pairingLife: options.pairingLife ?? Duration.minutes(pairingMinutesMax),
      backup: backupOf(base)
    })),
    Context.add(Maintenance, Maintenance.of(maintainHosted({
      ...reading, projections,
      cursors: partitions.all.map(({ cursor }) => cursor),
      sqlite: base.sqlite,
      reread: SubscriptionRef.update(base.reread, (n) => n + 1),
      doubted: SubscriptionRef.update(base.doubted, (n) => n + 1)
    })))
  )
}

const backupOf = (base: Base): BackupContext => ({
  ...base, logIdentity: () => identityOf(base), adminRole: base.deployment.hub !== undefined, dataDir: base.options.dataDir, backendId: base.identity.identity.backend_id
})

/** What a backup is of: the log of a hub of one server, and the first partition where there are several. */
const identityOf = ({ partitions }: Base) => {
  const { log_epoch, log_id } = partitions.all[0]!.mark
  return { id: log_id, epoch: log_epoch }
}

const registrarOf = (base: Base, own: OwnCommits): RegistrarContext => ({
  ...base, own,
  dataKey: base.keyring.current,
  publicUrl: base.options.publicUrl,
  sessionMax: base.options.sessionMax ?? tokenLifeMax,
  logOf: ({ tenant }) => base.partitions.of(tenant).log.name,
  issueLeaf: (request) => issueLeaf(signerNow(base.signerRecord, base.deployment.signer)(), request).pipe(Effect.mapError(({ hint }) => new RegistrationRefused({ status: 400, type: "transport-key", hint }))),
  ensureConsumer: (tenant, peer) =>
    base.peers.ensureConsumer(base.partitions.of(tenant).log.name, tenant, peer, 0).pipe(
      Effect.mapError(() => new RegistrationRefused({ status: 503, type: "try-again", hint: "The hub does not answer right now; try again in a moment." })))
})

const lookEvery = Duration.millis(200)

/** What was written here is committed already; `everywhere` waits for every active peer's report. */
const reach = Effect.fnUntraced(function*(base: Base, tenant: string, written: ReadonlyArray<Written>, tier: Tier, timeoutMillis: number): Effect.fn.Return<Reached> {
  const last = written.at(-1)
  if (tier !== "everywhere" || last === undefined) return { tier: "hosted", missing: [] }
  const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
  for (;;) {
    const missing = (yield* base.positions(tenant)).filter(({ log_seq }) => log_seq < last.position).map(({ peer_id }) => peer_id)
    if (missing.length === 0) return { tier: "everywhere", missing }
    if ((yield* Clock.currentTimeMillis) >= deadline) return { tier: "hosted", missing }
    yield* Effect.sleep(lookEvery)
  }
})
