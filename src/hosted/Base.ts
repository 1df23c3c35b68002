import { Clock, Duration, Effect, Exit, Schedule, Schema, SubscriptionRef } from "effect"
import { join } from "node:path"
import { v7 as uuidV7 } from "uuid"
import { greatestLamport } from "../../projections/conversations/queries.ts"
import { Projections } from "../../projections/runner.ts"
import { type InForce, settingsOf } from "../../projections/settings/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { peerPositions } from "../../projections/syncState/queries.ts"
import { streams } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { isoTime } from "../../streams/time.ts"
import type { Wired } from "../nats/connect.ts"
import { connectPatiently } from "../nats/connectPatiently.ts"
import type { Connection } from "../nats/Connection.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import { guardDisk } from "../nats/diskGuard.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { jetStreamKeyValue, type KeyValue } from "../nats/keyValue.ts"
import { countThrough } from "../nats/orderedReader.ts"
import { type HubSecrets, peersSigner } from "../nats/hubSecrets.ts"
import { ensurePeerConsumer, movePeerConsumer } from "../nats/peerConsumer.ts"
import { hearDisks, tellDisk } from "../nats/serverDisks.ts"
import { ensureStream } from "../nats/provision.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import type { AlertSettings } from "../observing/settings.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { keysOfIdentity } from "../security/handovers.ts"
import type { SecretKey } from "../security/secretKey.ts"
import { adminRole } from "./adminRole.ts"
import { alertBucket, watcherBucket, whenNeeded } from "./alerting.ts"
import { hostedAudit } from "./audit.ts"
import { joinCluster, keepHubSecrets, keepStoreKeys, openDeployment, openMasterKey, writeCluster } from "./Deployment.ts"
import { hubName, keepCertificates, loopbackOnly, type Network, startHub } from "./Hub.ts"
import { keepOut } from "./keepOut.ts"
import { makeKeyring } from "./Keyring.ts"
import { markFile, type MarkStore, openMark } from "./LogMark.ts"
import { adoptShared, openSharedKeys } from "./keyRotation.ts"
import { OpenedCache, viewOf } from "./LogView.ts"
import { awaitMark, logsOf, openPartitions, type Partition, type Partitions, refuseOtherCount } from "./Partitions.ts"
import { watchPeers } from "./PeerWatch.ts"
import { defaultLimits, makeRateBudget, rateBucket, type RateLimits } from "./RateBudget.ts"
import { finishRestore } from "./restoredFolder.ts"
import { nonceBucket } from "./nonces.ts"
import { loadRevocations } from "./Revocations.ts"
import { openForgetting } from "./forgetting.ts"
import type { KeeperContext } from "./keepStoreKey.ts"
import { openTenantStore } from "./openTenantStore.ts"
import type { StoreKeys } from "./storeKey.ts"
import { remembered } from "./tablesOf.ts"
import { makeTelemetryLog } from "./telemetryStore.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import { keepSigning, openSharedSigner } from "./signingKey.ts"
import { makeTenants } from "./Tenants.ts"
import { openAdminTokens } from "./adminTokens.ts"
import { sightingsBucket } from "./sightings.ts"
import { ticketBucket } from "./tickets.ts"

/** Everything a hosted process can be told at its start. */
export interface HostedOptions {
  readonly dataDir: string
  readonly publicUrl: string
  /** Ports on loopback of the hub this process runs itself; unused with `cluster`. */
  readonly natsPort: number
  readonly leafPort: number
  /** Loopback, in plain text, without it. */
  readonly network?: Network
  /** How local backends reach the hub's leaf port. With `cluster`, none: as its file says. */
  readonly leafUrls: ReadonlyArray<string>
  readonly sessionMax?: Duration.Duration
  /** How long a pairing code is good; ten minutes at most. */
  readonly pairingLife?: Duration.Duration
  /** Join the deployment this file describes, instead of running a hub. */
  readonly cluster?: string
  readonly limits?: Partial<RateLimits>
  readonly alerts: AlertSettings
  readonly onProgress: (line: string) => Effect.Effect<void>
  /** A part ended that never ends: the process must stop. What was acknowledged is safe; the log says why. */
  readonly onBroken: (part: string) => Effect.Effect<void>
}

/** The hosted backend cannot start. Nothing was changed; the hint says what to do. */
export class HostedStartError extends Schema.TaggedError<HostedStartError>()("HostedStartError", { why: Schema.String, hint: Schema.String }) {}

/** The tenant store. */
export const bucket = "TENANTS"
/** Peers that were silent for longer do not hold back `everywhere`. */
const activeFor = Duration.days(30)

/** A part that ends, ends the process: nothing goes on half. */
export const supervise = (options: Pick<HostedOptions, "onBroken">, name: string, part: Effect.Effect<unknown, unknown>) =>
  part.pipe(
    Effect.onExit((exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${name} stopped`, exit), options.onBroken(name))),
    Effect.forkScoped)

/** Where this process's connections and keys come from: its own hub, or the cluster it joins. */
const attach = Effect.fnUntraced(function*(options: HostedOptions) {
  const { cluster, dataDir } = options
  const masterKey = yield* openMasterKey(dataDir)
  if (cluster !== undefined) {
    const joined = yield* joinCluster(dataDir, masterKey, cluster)
    const service = yield* connectPatiently({ server: joined.cluster.servers, auth: { creds: joined.creds }, name: "hosted", inboxPrefix: joined.inboxPrefix, ...(joined.cluster.ca === undefined ? {} : { ca: joined.cluster.ca }) })
    return { masterKey: masterKey.key, storeKeys: undefined, keepStoreKeys: undefined, deployment: joined.deployment, service, system: undefined, leafUrls: options.leafUrls.length > 0 ? options.leafUrls : joined.cluster.leaf_urls, replicas: joined.cluster.replicas, count: joined.cluster.partitions ?? 1, serverVersion: service.nats.info?.version ?? "", server: undefined, keepHub: undefined }
  }
  const deployment = yield* openDeployment(dataDir, masterKey)
  const hub = yield* startHub({ ...options, network: options.network ?? loopbackOnly, secrets: deployment.hub, revocations: yield* loadRevocations(dataDir) })
  if (options.network?.tls !== undefined) yield* supervise(options, "certificates", keepCertificates(hub.server, options.network.tls))
  const joinable = (present: typeof deployment) => writeCluster(dataDir, masterKey, present, { servers: [`127.0.0.1:${hub.clientPort}`], leafUrls: options.leafUrls, replicas: 1 })
  yield* joinable(deployment)
  const keep = (keys: StoreKeys) => Effect.orDie(keepStoreKeys(dataDir, masterKey, keys))
  const keepHub = (secrets: HubSecrets) => Effect.orDie(Effect.andThen(keepHubSecrets(dataDir, masterKey, secrets), joinable({ ...deployment, hub: secrets, signer: peersSigner(secrets) })))
  return { masterKey: masterKey.key, storeKeys: deployment.storeKeys, keepStoreKeys: keep, deployment, service: hub.service, system: hub.system, leafUrls: options.leafUrls, replicas: 1, count: 1, serverVersion: hub.serverVersion, server: hub.server, keepHub }
})

/** What a hosted process finds at its start, kept by others: the log, the tenant store, its deployment, the mark. */
export interface Found {
  readonly identity: Signer
  readonly storeKey: SecretKey
  /** Secret, and in no stream. */
  readonly deploymentId: string
  /** One, or as many as the log is spread over. */
  readonly logs: ReadonlyArray<EventLog>
  /** TELEMETRY: one stream, however many partitions the log has. */
  readonly telemetryLog: EventLog
  /** AUDIT, of all tenants. */
  readonly auditLog: EventLog
  readonly tenantStore: KeyValue
  /** Where all hosted processes count what their peers have drawn. */
  readonly limitStore: KeyValue
  /** None where another process keeps them. */
  readonly marks: ((log: EventLog) => MarkStore) | undefined
  /** Told of each tenant's record as the store tells it. */
  readonly heard?: (record: TenantRecord) => Effect.Effect<void>
  readonly connection: Connection
  readonly peers: Peers
  readonly options: Pick<HostedOptions, "limits" | "onBroken">
}

/** What the hub does for one peer. */
export interface Peers {
  /** The peer's mirror is whole up to `from`. */
  readonly ensureConsumer: (log: string, tenant: string, peer: string, from: number) => Effect.Effect<void, LogUnavailable>
  /** Feed it from another server's copy; false where there is none. */
  readonly moveConsumer: (log: string, tenant: string, peer: string) => Effect.Effect<boolean, LogUnavailable>
  /** How many messages of the tenant that log holds up to there. */
  readonly countThrough: (log: string, tenant: string, seq: number) => Effect.Effect<number | undefined, LogUnavailable>
}

/** The parts that stand on it: opened once, before anything is served. */
export const openParts = Effect.fn("openParts")(function*(found: Found) {
  const { identity, logs, marks } = found
  const projections = yield* Projections
  const sqlite = yield* Sqlite
  const ask = <A, E>(query: Effect.Effect<A, E, Sqlite>): Effect.Effect<A> => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)
  const marked = yield* Effect.forEach(logs, Effect.fnUntraced(function*(log) {
    return [log, marks === undefined ? yield* awaitMark(log) : yield* openMark(marks(log), log, () => uuidV7())] as const
  }))
  const tenants = yield* makeTenants(found.tenantStore, found.storeKey, found.deploymentId, found.heard)
  yield* supervise(found.options, "tenant store", tenants.run)
  yield* tenants.ready
  const admin = yield* openAdminTokens(found.tenantStore, found.storeKey)
  yield* supervise(found.options, "admin tokens", admin.run)
  // before anything is remembered: places of another epoch are none
  const partitions = yield* openPartitions(marked, tenants)
  for (const partition of partitions.all) yield* meetEpoch(projections, partition, partitions)
  const audit = yield* hostedAudit(found.auditLog, identity)
  yield* supervise(found.options, "audit", audit.run)
  const settings = new Map<string, InForce>()
  const all = [...tenants.all()].map(({ tenant }) => tenant)
  for (const tenant of all) settings.set(tenant, yield* ask(settingsOf(tenant)))
  const keyRecord = yield* openSharedKeys(found.tenantStore, found.storeKey)
  yield* supervise(found.options, "shared keys", keyRecord.run)
  const keyring = makeKeyring(tenants)
  const signerRecord = yield* openSharedSigner(found.tenantStore, found.storeKey)
  yield* supervise(found.options, "shared signing key", signerRecord.run)
  return {
    keyRecord,
    signerRecord,
    ...found, projections, sqlite, ask, partitions, tenants, admin, settings,
    audit: audit.service,
    telemetry: makeTelemetryLog(found.telemetryLog),
    budget: makeRateBudget(found.limitStore, { ...defaultLimits, ...found.options.limits }),
    keyring,
    forgetting: yield* openForgetting({ keyring, settings, sqlite }),
    /** Our own pen in the log; its keys change when they are rotated. */
    hosted: { backendId: identity.identity.backend_id, get keys() { return keysOfIdentity(identity.identity) } },
    view: yield* viewOf(ask(remembered), all, (tenant) => ask(greatestLamport(tenant))),
    ...yield* watchPeers,
    /** What ingest opened and the projections have not come to yet. */
    opened: new OpenedCache(),
    /** Which log a tenant's events are in. */
    logIdentity: (tenant: string) => {
      const { log_epoch, log_id } = partitions.of(tenant).mark
      return { id: log_id, epoch: log_epoch }
    },
    /** Counts up whenever the tables were emptied. */
    reread: yield* SubscriptionRef.make(0),
    /** Counts up whenever somebody found the log otherwise than it should be. */
    doubted: yield* SubscriptionRef.make(0),
    refreshSettings: (tenant: string) => Effect.map(ask(settingsOf(tenant)), (inForce) => { settings.set(tenant, inForce) }),
    /** Reported places of the peers that count: not revoked, heard of in the last thirty days. */
    positions: (tenant: string) =>
      Effect.gen(function*() {
        const since = isoTime((yield* Clock.currentTimeMillis) - Duration.toMillis(activeFor))
        const active = new Set(tenants.peek(tenant)?.devices.map(({ peer_id }) => peer_id))
        return (yield* ask(peerPositions(tenant))).filter(({ peer_id, seen_at }) => active.has(peer_id) && seen_at >= since)
      })
  }
})

export type Parts = Effect.Success<ReturnType<typeof openParts>>

const awaitStreams = Effect.fnUntraced(function*(service: Wired, count: number) {
  for (const log of logsOf(service, count)) yield* awaitMark(log)
  yield* refuseOtherCount(service, count)
})

/** The tables' places in a log that was restored or replaced count no longer: read it from its beginning. */
export const meetEpoch = Effect.fnUntraced(function*(projections: Projections["Service"], partition: Partition, { tenantsOf }: Pick<Partitions, "tenantsOf">) {
  const position = (yield* projections.positions).get(partition.cursor)
  const epoch = String(partition.mark.log_epoch)
  if (position !== undefined && position.epoch !== epoch) yield* projections.newEpoch(partition.cursor, epoch, tenantsOf(partition))
})

/** Own the data directory, and put in place what a restore left ready: before any file in it is opened. */
export const claimDirectory = Effect.fnUntraced(function*({ dataDir }: HostedOptions) {
  if (!(yield* holdDirectory(dataDir))) {
    return yield* new HostedStartError({ why: "already running", hint: `Another hosted process runs on ${dataDir}. Stop that one first, or give this one a data directory of its own and --cluster.` })
  }
  yield* finishRestore(dataDir)
})

/** Buckets of a cluster that just started wait for their leaders. Making one is safe to repeat. */
const whileForming = { times: 30, schedule: Schedule.spaced("1 second"), while: ({ _tag }: { readonly _tag: string }) => _tag === "LogUnavailable" } as const

/** What every part of a hosted process stands on, its own hub or the cluster it joins included. */
export const openBase = Effect.fn("openBase")(function*(options: HostedOptions) {
  const attached = yield* attach(options)
  const { count, deployment, replicas, service } = attached
  const role = yield* adminRole(options.dataDir, attached)
  const cutting = role?.cutting
  // one that joins finds the streams as their owner made them: two versions side by side do not undo one another's
  if (options.cluster !== undefined) {
    yield* options.onProgress(`joined ${service.server}; looking for the log`)
    yield* awaitStreams(service, count)
    yield* options.onProgress("the log is there; reading the tenant store")
  } else for (const row of [streams.log, streams.telemetry, streams.audit, streams.alerts]) yield* ensureStream(service, row, { replicas })
  // a cluster's servers are elsewhere: whoever runs beside them tells of their disks
  const servers = attached.server === undefined ? yield* hearDisks(service) : undefined
  const disk = servers ?? (yield* guardDisk({ directory: join(options.dataDir, "nats", "store"), server: attached.server! }))
  const guarded = (log: EventLog) => disk.guard(log)
  // those that join this hub see its disk as little
  if (attached.server !== undefined) yield* supervise(options, "disk", tellDisk(service, hubName, join(options.dataDir, "nats", "store")))
  const inner = yield* jetStreamKeyValue(service, { bucket, replicas }).pipe(Effect.retry(whileForming))
  const { keeper, rekeyed, run } = yield* openTenantStore(inner, { ...attached, onProgress: options.onProgress })
  yield* supervise(options, "tenant store's key", run)
  const parts = yield* openParts({
    options,
    identity: deployment.identity,
    storeKey: rekeyed.face,
    deploymentId: deployment.id,
    logs: logsOf(service, count).map(guarded),
    telemetryLog: guarded(jetStreamLog(service, streams.telemetry.name)),
    auditLog: guarded(jetStreamLog(service, streams.audit.name)),
    limitStore: yield* jetStreamKeyValue(service, { ...rateBucket, replicas }).pipe(Effect.retry(whileForming)),
    tenantStore: rekeyed.store,
    marks: options.cluster === undefined ? (log) => markFile(options.dataDir, log) : undefined,
    heard: (record) => Effect.andThen(cutting?.heard(record) ?? Effect.void, keeper?.heard(record) ?? Effect.void),
    connection: service,
    peers: {
      ensureConsumer: (log, tenant, peer, from) => Effect.asVoid(ensurePeerConsumer(service, { log, tenant, peer, from })),
      moveConsumer: (log, tenant, peer) => movePeerConsumer(service, { log, tenant, peer }),
      countThrough: (log, tenant, seq) => countThrough(service, { stream: log, filter: subjects.logTenant(tenant), through: seq })
    }
  })
  if (cutting !== undefined) {
    yield* keepOut({ cutting, tenants: parts.tenants, dataDir: options.dataDir })
    yield* supervise(options, "revocations", cutting.run)
  }
  if (role !== undefined) yield* supervise(options, "signing key", keepSigning({ record: parts.signerRecord, secrets: role.secrets, keep: role.keepHub, renewAccounts: role.cutting.renewAccounts }))
  yield* adoptShared(deployment.identity, SubscriptionRef.getUnsafe(parts.keyRecord.held))
  const name = uuidV7()
  return {
    /** None where this process joined a deployment: the tenant store's key is another's to replace. */
    keepStoreKey: keeper === undefined ? undefined : (context: Omit<KeeperContext, "turn" | "tenants">) => keeper.run({ ...context, turn: rekeyed.turn, tenants: parts.tenants }),
    ...attached, ...parts, identity: deployment.identity, disk: disk.disk, diskFullHint: disk.fullHint, serverDisks: servers?.servers, options, cutting,
    tickets: yield* jetStreamKeyValue(service, { ...ticketBucket, replicas }).pipe(Effect.retry(whileForming)),
    nonces: yield* jetStreamKeyValue(service, { ...nonceBucket, replicas }).pipe(Effect.retry(whileForming)),
    sightings: { name, open: jetStreamKeyValue(service, { ...sightingsBucket, replicas }) },
    alerting: {
      alerts: options.alerts,
      store: whenNeeded(alertBucket.bucket, jetStreamKeyValue(service, { ...alertBucket, replicas })),
      watcher: whenNeeded(watcherBucket.bucket, jetStreamKeyValue(service, { ...watcherBucket, replicas })),
      log: guarded(jetStreamLog(service, streams.alerts.name)),
      name,
      ownsHub: attached.server !== undefined
    }
  }
})

export type Base = Effect.Success<ReturnType<typeof openBase>>
