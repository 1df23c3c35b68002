import { Clock, Context, Duration, Effect, Exit, Layer, Result, Schema, Stream, SubscriptionRef } from "effect"
import { join } from "node:path"
import { v7 as uuidV7 } from "uuid"
import { greatestLamport } from "../../projections/conversations/queries.ts"
import { Projections } from "../../projections/runner.ts"
import { settingsOf } from "../../projections/settings/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { peerPositions, reportPositions } from "../../projections/syncState/queries.ts"
import { EventTail, HostedControl, Maintenance, Registrar, RegistrationRefused, Writer } from "../../streams/Backend.ts"
import { streams } from "../../streams/definitions.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import { defaults, type Settings } from "../../streams/events/settings.ts"
import { isoTime } from "../../streams/time.ts"
import { connect } from "../nats/connect.ts"
import { isOwnReply } from "../nats/hubSecrets.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { jetStreamKeyValue } from "../nats/keyValue.ts"
import { issueLeaf } from "../nats/leafCredentials.ts"
import { ensurePeerConsumer } from "../nats/peerConsumer.ts"
import { ensureStream } from "../nats/provision.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import { fromBase64url } from "../security/digest.ts"
import { openData, openEnvelope } from "../security/envelopes.ts"
import { type DataKey, dataKey } from "../security/sealing.ts"
import type { Facts } from "./admit.ts"
import { makeCommitter } from "./Committer.ts"
import { makeHostedControl } from "./control.ts"
import { joinCluster, openDeployment, openMasterKey, writeCluster } from "./Deployment.ts"
import { makeHeads } from "./Heads.ts"
import { authenticateOnHosted, pairingLifeMax, registerOnHosted, type RegistrarContext } from "./HostedRegistrar.ts"
import { startHub } from "./Hub.ts"
import { type IngestContext, serveIngest } from "./ingest.ts"
import { epochKey, idKey, type Mark, openMark, save } from "./LogMark.ts"
import { LogView, OpenedCache, project } from "./LogView.ts"
import { maintainHosted } from "./maintenance.ts"
import { makeOwnCommits } from "./OwnCommits.ts"
import { defaultLimits, makeRateBudget, type RateLimits } from "./RateBudget.ts"
import { loadRevocations, saveRevocations } from "./Revocations.ts"
import { projectionsLayer, remembered } from "./tablesOf.ts"
import { tailHosted } from "./tail.ts"
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
  /** How long a pairing code is good for; ten minutes at most, and without it. */
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

type Provided = Writer | Registrar | EventTail | HostedControl | Maintenance | Sqlite | Projections

/** One hosted process, running as long as the layer lives. A part that fails stops all, loudly. */
export const hostedBackend = (options: HostedOptions): Layer.Layer<Provided, HostedStartError> =>
  Layer.effectContext(start(options)).pipe(
    Layer.provideMerge(projectionsLayer(join(options.dataDir, "hosted.sqlite"))),
    Layer.catch((error) => Layer.effectContext(Effect.fail(startError(error)))))

const startError = (error: { readonly _tag: string; readonly hint?: string; readonly message: string }): HostedStartError =>
  error._tag === "HostedStartError" && error instanceof HostedStartError ? error : new HostedStartError({ why: error._tag, hint: error.hint ?? error.message })

const cursorName = "log"
const bucket = "TENANTS"
const markEvery = Duration.seconds(1)
const sessionLongest = Duration.hours(8)

/** Where this process's connections and keys come from: its own hub, or the cluster it joins. */
const attach = Effect.fnUntraced(function*(options: HostedOptions) {
  const masterKey = yield* openMasterKey(options.dataDir)
  if (options.cluster !== undefined) {
    const joined = yield* joinCluster(options.dataDir, masterKey, options.cluster)
    const service = yield* connect({ server: joined.cluster.servers, auth: { creds: joined.creds }, name: "hosted", inboxPrefix: joined.inboxPrefix })
    return { ...joined, service, system: undefined, leafUrls: joined.cluster.leaf_urls, replicas: joined.cluster.replicas === 3 ? 3 as const : 1 as const, serverVersion: "", masterKey }
  }
  const deployment = yield* openDeployment(options.dataDir, masterKey)
  const hub = yield* startHub({ dataDir: options.dataDir, secrets: deployment.hub, natsPort: options.natsPort, leafPort: options.leafPort, revocations: yield* loadRevocations(options.dataDir), onProgress: options.onProgress })
  yield* writeCluster(options.dataDir, masterKey, deployment, { servers: [`127.0.0.1:${hub.clientPort}`], leafUrls: options.leafUrls, replicas: 1 })
  return { deployment, service: hub.service, system: hub.system, inboxPrefix: hub.inboxPrefix, leafUrls: options.leafUrls, replicas: 1 as const, serverVersion: hub.serverVersion, masterKey }
})

const start = Effect.fn("hostedBackend")(function*(options: HostedOptions) {
  if (!(yield* holdDirectory(options.dataDir))) {
    return yield* new HostedStartError({ why: "already running", hint: `Another hosted process runs on ${options.dataDir}. Stop that one first, or give this one a data directory of its own and --cluster.` })
  }
  const projections = yield* Projections
  const sqlite = yield* Sqlite
  const ask = <A, E>(query: Effect.Effect<A, E, Sqlite>): Effect.Effect<A> => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)
  const { deployment, leafUrls, replicas, serverVersion, service, system } = yield* attach(options)
  const { identity } = deployment
  const hostedKeys = [{ keyId: identity.keyId, publicKey: identity.identity.public_key }]

  for (const row of [streams.log, streams.telemetry, streams.audit, streams.alerts]) yield* ensureStream(service, row, { replicas })
  const log = jetStreamLog(service, streams.log.name)
  let mark = options.cluster === undefined ? yield* openMark(options.dataDir, log, () => uuidV7()) : yield* joinedMark(log)
  const logIdentity = () => ({ id: mark.log_id, epoch: mark.log_epoch })

  const tenants = yield* makeTenants(yield* jetStreamKeyValue(service, { bucket, replicas }), deployment.storeKey)
  yield* supervise(options, "tenant store", tenants.run)
  yield* tenants.ready

  const keys = new Map<string, DataKey>()
  const keyOf = (kid: string): DataKey | undefined => {
    const known = keys.get(kid)
    if (known !== undefined) return known
    const stored = tenants.peek(kid.slice(0, kid.indexOf(".")))?.data_keys.find((key) => key.kid === kid)
    if (stored === undefined) return undefined
    const key = dataKey(kid, fromBase64url(stored.key)!)
    keys.set(kid, key)
    return key
  }
  const currentKey = (tenant: string) => {
    const kid = tenants.peek(tenant)?.data_keys.at(-1)?.kid
    return kid === undefined ? undefined : keyOf(kid)
  }
  // a kid names its tenant, and an event may only be sealed under its own tenant's key
  const openIn = (tenant: string, envelope: Envelope) => openEnvelope(envelope, (kid) => kid.startsWith(`${tenant}.`) ? keyOf(kid) : undefined)

  // before anything is remembered: places of another epoch are none
  const position = (yield* projections.positions).get(cursorName)
  if (position !== undefined && position.epoch !== String(mark.log_epoch)) yield* projections.newEpoch(cursorName, String(mark.log_epoch))
  const view = new LogView()
  const opened = new OpenedCache()
  const known = yield* remembered.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie)
  for (const [tenant, , head] of known.heads) view.of(tenant).lastSeq = Math.max(view.of(tenant).lastSeq, head.seq)
  for (const tenant of tenants.all()) view.of(tenant.tenant).lamport = yield* ask(greatestLamport(tenant.tenant))
  for (const [tenant, , head] of known.heads) if (head.seq === view.of(tenant).lastSeq) view.of(tenant).head = head.digest

  const settings = new Map<string, { readonly settings: Settings; readonly seq: number }>()
  const refreshSettings = (tenant: string) => Effect.map(ask(settingsOf(tenant)), (inForce) => { settings.set(tenant, inForce) })
  for (const tenant of tenants.all()) yield* refreshSettings(tenant.tenant)

  const reread = yield* SubscriptionRef.make(0)
  yield* supervise(options, "projection", Effect.gen(function*() {
    for (;;) {
      yield* Effect.raceFirst(
        project({
          log, cursor: cursorName, projections, view, opened,
          hosted: { backendId: identity.identity.backend_id, keys: hostedKeys },
          epoch: () => mark.log_epoch,
          remembered: ask(remembered),
          open: (tenant, envelope) => {
            const held = opened.take(envelope)
            return held === undefined ? openIn(tenant, envelope) : Result.succeed(held)
          },
          settingsChanged: refreshSettings
        }).pipe(Effect.catchTag("LogUnavailable", () => Effect.sleep(Duration.seconds(1)))),
        nextBump(reread))
    }
  }))

  const heads = makeHeads(log)
  const fence = (chain: string) => {
    const [tenant = "", author = ""] = chain.split(".")
    const keysOf = author === "hosted" ? hostedKeys : tenants.peek(tenant)?.devices.find(({ peer_id }) => peer_id === author)?.keys ?? []
    return heads.read(tenant, author, keysOf).pipe(Effect.map(({ fence }) => fence), Effect.orElseSucceed(() => undefined))
  }
  const committer = yield* makeCommitter(log, fence)
  yield* supervise(options, "committer", committer.run)
  const offered: IngestContext["offered"] = ({ events }) => {
    for (const event of events) if (event.opened !== undefined) opened.put(event.opened)
  }
  const committed: IngestContext["committed"] = (tenant, admitted, lastSeq) => view.committed(tenant, lastSeq, admitted.greatestLamport)
  const budget = makeRateBudget({ ...defaultLimits, ...options.limits })
  const facts = (tenant: string, sender: string, now: string, millis: number): Facts | undefined => {
    const record = tenants.peek(tenant)
    if (record === undefined) return undefined
    const device = record.devices.find(({ peer_id }) => peer_id === sender)
    const inForce = settings.get(tenant) ?? { settings: defaults, seq: 0 }
    return {
      tenant, sender, now,
      device: device === undefined ? undefined : { backendId: device.backend_id, keys: device.keys, expiresAt: device.expires_at },
      revoked: record.gone.some(({ peer_id }) => peer_id === sender),
      settings: inForce.settings,
      settingsSeq: inForce.seq,
      greatestLamport: view.of(tenant).lamport,
      draw: (bytes, backlog) => budget(`${tenant}.${sender}`, bytes, backlog, millis),
      unseal: (envelope) => openData(envelope, (kid) => kid.startsWith(`${tenant}.`) ? keyOf(kid) : undefined).pipe(
        Result.mapError((failure) => failure._tag === "KeyMissing" ? `the data is sealed under ${failure.kid}, which is not this tenant's key` : failure.why))
    }
  }
  const reports = new Map<string, { readonly peer_id: string; readonly log_seq: number; readonly seen_at: string }>()
  const ingest: IngestContext = {
    connection: service, log, heads, committer, offered, committed, facts,
    identity: logIdentity,
    mayAnswer: isOwnReply,
    ensureConsumer: (tenant, peer) => ensurePeerConsumer(service, { tenant, peer }).pipe(Effect.map(({ acked }) => acked), Effect.orElseSucceed(() => 0)),
    reported: (tenant, sender, request, now) =>
      Effect.gen(function*() {
        const report = { peer_id: sender, log_seq: request.log_epoch === mark.log_epoch ? request.mirror_seq : 0, seen_at: now }
        reports.set(`${tenant}.${sender}`, report)
        yield* ask(reportPositions(tenant, [report]))
        const held = yield* ask(peerPositions(tenant))
        const active = new Set(tenants.peek(tenant)?.devices.map(({ peer_id }) => peer_id))
        const monthAgo = isoTime((yield* Clock.currentTimeMillis) - Duration.toMillis(Duration.days(30)))
        return { tenantLastSeq: view.of(tenant).lastSeq, positions: held.filter(({ peer_id, seen_at }) => active.has(peer_id) && seen_at >= monthAgo) }
      })
  }
  yield* supervise(options, "ingest", serveIngest(ingest))
  if (options.cluster === undefined) {
    yield* supervise(options, "log mark", Effect.gen(function*() {
      for (;;) {
        yield* Effect.sleep(markEvery)
        const at = (yield* projections.positions).get(cursorName)?.seq ?? 0
        if (at <= mark.high_water) continue
        mark = { ...mark, high_water: at }
        yield* save(options.dataDir, mark)
      }
    }))
  } else {
    yield* supervise(options, "log identity", Effect.forever(Effect.andThen(Effect.sleep(Duration.seconds(2)), Effect.ignore(Effect.map(joinedMark(log), (now) => { mark = now })))))
  }

  const own = yield* makeOwnCommits({
    heads, committer, offered, committed, identity,
    keys: hostedKeys,
    dataKey: currentKey,
    greatestLamport: (tenant) => view.of(tenant).lamport,
    seen: (tenant) => ({ log_seq: view.of(tenant).lastSeq, head: view.of(tenant).head })
  })
  const registrar: RegistrarContext = {
    tenants, identity, own, leafUrls, logIdentity,
    dataKey: currentKey,
    publicUrl: options.publicUrl,
    sessionMax: options.sessionMax ?? sessionLongest,
    logOf: () => streams.log.name,
    issueLeaf: (request) => issueLeaf(deployment.signer, request).pipe(Effect.mapError(({ hint }) => new RegistrationRefused({ status: 400, type: "transport-key", hint }))),
    ensureConsumer: (tenant, peer) =>
      ensurePeerConsumer(service, { tenant, peer }).pipe(Effect.asVoid, Effect.mapError(() => new RegistrationRefused({ status: 503, type: "try-again", hint: "The hub does not answer right now; try again in a moment." })))
  }
  const control = makeHostedControl({ tenants, own, identity, service, system, hub: deployment.hub, publicUrl: options.publicUrl, pairingLife: options.pairingLife ?? pairingLifeMax, view, log, logIdentity, serverVersion, keepRevocations: (all) => saveRevocations(options.dataDir, all), positions: (tenant) => ask(peerPositions(tenant)) })

  return Context.make(Writer, Writer.of({
    write: (tenant, drafts) => own.write(tenant, drafts),
    settled: (tenant) => projections.reached(cursorName, view.of(tenant).lastSeq),
    reach: (tenant, written, tier, timeoutMillis) =>
      Effect.gen(function*() {
        const last = written.at(-1)
        if (tier !== "everywhere" || last === undefined) return { tier: "hosted" as const, missing: [] }
        const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
        for (;;) {
          const missing = (yield* ask(peerPositions(tenant))).filter(({ log_seq }) => log_seq < last.position).map(({ peer_id }) => peer_id)
          if (missing.length === 0) return { tier: "everywhere" as const, missing }
          if ((yield* Clock.currentTimeMillis) >= deadline) return { tier: "hosted" as const, missing }
          yield* Effect.sleep(Duration.millis(200))
        }
      })
  })).pipe(
    Context.add(Registrar, Registrar.of({
      identity: identity.identity,
      prove: identity.prove,
      register: (body) => registerOnHosted(registrar, body),
      authenticate: (bearer) => Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.fromResult(authenticateOnHosted(registrar, bearer, now)))
    })),
    Context.add(EventTail, EventTail.of({ tail: (request) => tailHosted({ log, open: openIn, hosted: { backendId: identity.identity.backend_id, keys: hostedKeys }, remembered: ask(remembered), end: (tenant) => view.of(tenant).lastSeq }, request) })),
    Context.add(HostedControl, control),
    Context.add(Maintenance, Maintenance.of(maintainHosted({ log, open: openIn, hosted: { backendId: identity.identity.backend_id, keys: hostedKeys }, projections, cursor: cursorName, reread: SubscriptionRef.update(reread, (n) => n + 1), sqlite })))
  )
})

const nextBump = (ref: SubscriptionRef.SubscriptionRef<number>) =>
  Effect.suspend(() => {
    const before = SubscriptionRef.getUnsafe(ref)
    return SubscriptionRef.changes(ref).pipe(Stream.filter((value) => value !== before), Stream.runHead, Effect.asVoid)
  })

/** A joined process reads the log's identity where its owner wrote it. */
const joinedMark = Effect.fnUntraced(function*(log: ReturnType<typeof jetStreamLog>) {
  const { lastSeq, metadata } = yield* log.info
  return { log_id: metadata[idKey] ?? "", log_epoch: Number(metadata[epochKey] ?? 1), high_water: lastSeq } satisfies Mark
})

/** A part that ends, ends the process: nothing goes on half. */
const supervise = (options: HostedOptions, name: string, part: Effect.Effect<unknown, unknown>) =>
  part.pipe(
    Effect.onExit((exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${name} stopped`, exit), options.onBroken(name))),
    Effect.forkScoped)
