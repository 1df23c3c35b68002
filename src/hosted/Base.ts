import { Clock, Duration, Effect, Exit, Schema, SubscriptionRef } from "effect"
import { v7 as uuidV7 } from "uuid"
import { greatestLamport } from "../../projections/conversations/queries.ts"
import { Projections } from "../../projections/runner.ts"
import { type InForce, settingsOf } from "../../projections/settings/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { peerPositions } from "../../projections/syncState/queries.ts"
import { streams } from "../../streams/definitions.ts"
import { isoTime } from "../../streams/time.ts"
import { connect } from "../nats/connect.ts"
import { jetStreamKeyValue } from "../nats/keyValue.ts"
import { ensureStream } from "../nats/provision.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import { joinCluster, openDeployment, openMasterKey, writeCluster } from "./Deployment.ts"
import { startHub } from "./Hub.ts"
import { makeKeyring } from "./Keyring.ts"
import { openMark } from "./LogMark.ts"
import { LogView, OpenedCache } from "./LogView.ts"
import { awaitMark, logsOf, openPartitions, type Partition, type Partitions, refuseOtherCount } from "./Partitions.ts"
import type { RateLimits } from "./RateBudget.ts"
import { followRevocations } from "./followRevocations.ts"
import { loadRevocations, saveRevocations } from "./Revocations.ts"
import { remembered } from "./tablesOf.ts"
import { makeTenants } from "./Tenants.ts"

/** Everything a hosted process can be told at its start. */
export interface HostedOptions {
  readonly dataDir: string
  readonly publicUrl: string
  /** Ports on loopback of the hub this process runs itself; unused with `cluster`. */
  readonly natsPort: number
  readonly leafPort: number
  /** How local backends reach the hub's leaf port. */
  readonly leafUrls: ReadonlyArray<string>
  readonly sessionMax?: Duration.Duration
  /** How long a pairing code is good; ten minutes at most. */
  readonly pairingLife?: Duration.Duration
  /** Join the deployment this file describes, instead of running a hub. */
  readonly cluster?: string
  readonly limits?: Partial<RateLimits>
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
export const supervise = (options: HostedOptions, name: string, part: Effect.Effect<unknown, unknown>) =>
  part.pipe(
    Effect.onExit((exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${name} stopped`, exit), options.onBroken(name))),
    Effect.forkScoped)

/** Where this process's connections and keys come from: its own hub, or the cluster it joins. */
const attach = Effect.fnUntraced(function*(options: HostedOptions) {
  const { cluster, dataDir } = options
  const masterKey = yield* openMasterKey(dataDir)
  if (cluster !== undefined) {
    const joined = yield* joinCluster(dataDir, masterKey, cluster)
    const service = yield* connect({ server: joined.cluster.servers, auth: { creds: joined.creds }, name: "hosted", inboxPrefix: joined.inboxPrefix, ...(joined.cluster.ca === undefined ? {} : { ca: joined.cluster.ca }) })
    return { deployment: joined.deployment, service, system: undefined, leafUrls: joined.cluster.leaf_urls, replicas: joined.cluster.replicas, count: joined.cluster.partitions ?? 1, serverVersion: "" }
  }
  const deployment = yield* openDeployment(dataDir, masterKey)
  const hub = yield* startHub({ ...options, secrets: deployment.hub, revocations: yield* loadRevocations(dataDir) })
  yield* writeCluster(dataDir, masterKey, deployment, { servers: [`127.0.0.1:${hub.clientPort}`], leafUrls: options.leafUrls, replicas: 1 })
  return { deployment, service: hub.service, system: hub.system, leafUrls: options.leafUrls, replicas: 1, count: 1, serverVersion: hub.serverVersion }
})

/** In a deployment of one process that one is the admin too: it cuts the leafs of revoked machines, whoever revoked them. */
const adminRole = Effect.fnUntraced(function*({ dataDir }: HostedOptions, { deployment, system }: Effect.Success<ReturnType<typeof attach>>) {
  if (system === undefined || deployment.hub === undefined) return undefined
  const revocations = yield* loadRevocations(dataDir)
  return yield* followRevocations({ system, secrets: deployment.hub, logs: [streams.log.name], revocations, keep: (all) => saveRevocations(dataDir, all) })
})

/** What every part of a hosted process stands on: opened once, before anything is served. */
export const openBase = Effect.fn("openBase")(function*(options: HostedOptions) {
  if (!(yield* holdDirectory(options.dataDir))) {
    return yield* new HostedStartError({ why: "already running", hint: `Another hosted process runs on ${options.dataDir}. Stop that one first, or give this one a data directory of its own and --cluster.` })
  }
  const projections = yield* Projections
  const sqlite = yield* Sqlite
  const ask = <A, E>(query: Effect.Effect<A, E, Sqlite>): Effect.Effect<A> => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)
  const attached = yield* attach(options)
  const { count, deployment, replicas, service } = attached
  const { identity } = deployment
  const owner = options.cluster === undefined
  // one that joins finds the streams as their owner made them: two versions side by side do not undo one another's
  if (owner) for (const row of [streams.log, streams.telemetry, streams.audit, streams.alerts]) yield* ensureStream(service, row, { replicas })
  const marked = yield* Effect.forEach(logsOf(service, count), Effect.fnUntraced(function*(log) {
    return [log, owner ? yield* openMark(options.dataDir, log, () => uuidV7()) : yield* awaitMark(log)] as const
  }))
  if (!owner) yield* refuseOtherCount(service, count)

  const cutting = yield* adminRole(options, attached)
  const tenants = yield* makeTenants(yield* jetStreamKeyValue(service, { bucket, replicas }), deployment.storeKey, cutting?.heard)
  if (cutting !== undefined) yield* supervise(options, "revocations", cutting.run)
  yield* supervise(options, "tenant store", tenants.run)
  yield* tenants.ready
  const partitions = yield* openPartitions(marked, tenants)
  // before anything is remembered: places of another epoch are none
  for (const partition of partitions.all) yield* meetEpoch(projections, partition, partitions)
  const settings = new Map<string, InForce>()
  const all = [...tenants.all()].map(({ tenant }) => tenant)
  for (const tenant of all) settings.set(tenant, yield* ask(settingsOf(tenant)))
  return {
    ...attached, projections, sqlite, ask, identity, partitions, tenants, settings, cutting,
    options,
    keyring: makeKeyring(tenants),
    hosted: { backendId: identity.identity.backend_id, keys: [{ keyId: identity.keyId, publicKey: identity.identity.public_key }] },
    view: yield* viewOf(ask(remembered), all, (tenant) => ask(greatestLamport(tenant))),
    /** What ingest opened and the projections have not come to yet. */
    opened: new OpenedCache(),
    /** Which log a tenant's events are in. */
    logIdentity: (tenant: string) => {
      const { log_epoch, log_id } = partitions.of(tenant).mark
      return { id: log_id, epoch: log_epoch }
    },
    /** Counts up whenever the tables were emptied. */
    reread: yield* SubscriptionRef.make(0),
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

export type Base = Effect.Success<ReturnType<typeof openBase>>

/** The tables' places in a log that was restored or replaced count no longer: read it from its beginning. */
export const meetEpoch = Effect.fnUntraced(function*(projections: Projections["Service"], partition: Partition, { tenantsOf }: Pick<Partitions, "tenantsOf">) {
  const position = (yield* projections.positions).get(partition.cursor)
  const epoch = String(partition.mark.log_epoch)
  if (position !== undefined && position.epoch !== epoch) yield* projections.newEpoch(partition.cursor, epoch, tenantsOf(partition))
})

/** The ends of the tenants' logs as the tables remember them. */
const viewOf = Effect.fnUntraced(function*(known: Effect.Effect<Effect.Success<typeof remembered>>, tenants: ReadonlyArray<string>, lamportOf: (tenant: string) => Effect.Effect<number>) {
  const view = new LogView()
  for (const tenant of tenants) view.committed(tenant, 0, yield* lamportOf(tenant))
  for (const [tenant, , head] of (yield* known).heads) {
    view.committed(tenant, head.seq, 0)
    view.remember(tenant, head.seq, head.digest)
  }
  return view
})
