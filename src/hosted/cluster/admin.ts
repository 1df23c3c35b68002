import { Duration, Effect, Option, Schedule, SubscriptionRef } from "effect"
import { v7 as uuidV7 } from "uuid"
import { logPartitions, streams } from "../../../streams/definitions.ts"
import { connect } from "../../nats/connect.ts"
import type { EventLog } from "../../nats/EventLog.ts"
import { type HubSecrets, peersSigner, serviceCredentials, systemCredentials } from "../../nats/hubSecrets.ts"
import { jetStreamKeyValue } from "../../nats/keyValue.ts"
import { jetStreamLog } from "../../nats/jetStreamLog.ts"
import { ensureStream } from "../../nats/provision.ts"
import { leafViolations } from "../../nats/violations.ts"
import { hostedAudit } from "../audit.ts"
import { bucket } from "../Base.ts"
import { keepHubSecrets, keepStoreKeys, openDeployment, openMasterKey } from "../Deployment.ts"
import { followRevocations } from "../followRevocations.ts"
import { openGoneList } from "../goneList.ts"
import { keepOut } from "../keepOut.ts"
import { openStoreKeyKeeper } from "../keepStoreKey.ts"
import { keyBackups } from "../knownBackups.ts"
import { epochOf, type Mark, markFile, type MarkStore, metadataOf, openMark } from "../LogMark.ts"
import { logsOf } from "../Partitions.ts"
import { loadRevocations, saveRevocations } from "../Revocations.ts"
import { sharedStoreKeys } from "../sharedStoreKeys.ts"
import { keepSigning, openSharedSigner } from "../signingKey.ts"
import { rekeyedStore } from "../storeKey.ts"
import { makeTenants } from "../Tenants.ts"
import { auditNoted } from "../toAudit.ts"
import { auditViolations } from "../violations.ts"
import { openClusterBackup } from "./backup.ts"
import { writeAccounts, writeJoining } from "./init.ts"
import { addressesOf, type ClusterLayout, logsIn, replicasOnCluster } from "./layout.ts"

const retryEvery = Duration.seconds(1)

/** While the servers find one another and choose a leader: two minutes. */
const forming = { schedule: Schedule.spaced(Duration.millis(500)), times: 240 } as const

/**
 * The admin role of a cluster, once: it makes the streams, names each log, notices one that was restored, and cuts the
 * leafs of revoked machines. It holds the operator's keys, which hosted processes do not; they go on without it.
 *
 * Returns when hosted processes can join; `run` never ends by itself.
 */
export const openAdmin = Effect.fn("cluster.admin")(function*(dir: string, layout: ClusterLayout) {
  const masterKey = yield* openMasterKey(dir)
  const deployment = yield* openDeployment(dir, masterKey)
  const secrets = yield* SubscriptionRef.make(deployment.hub)
  const hub = () => SubscriptionRef.getUnsafe(secrets)
  const server = addressesOf(layout)
  const service = yield* serviceCredentials(deployment.hub)
  const system = yield* systemCredentials(deployment.hub)
  const stored = yield* connect({ server, auth: { creds: service.creds }, name: "cluster admin", inboxPrefix: service.inboxPrefix }).pipe(Effect.retry(forming))
  const over = yield* connect({ server, auth: { creds: system.creds }, name: "cluster admin, accounts", inboxPrefix: system.inboxPrefix }).pipe(Effect.retry(forming))

  const rows = [...logPartitions(layout.partitions), streams.telemetry, streams.audit, streams.alerts]
  for (const row of rows) yield* ensureStream(stored, row, { replicas: replicasOnCluster }).pipe(Effect.retry(forming))
  const marks = yield* Effect.forEach(logsOf(stored, layout.partitions), (log) => Effect.map(nameLog(dir, log), (mark) => ({ log, mark })), { concurrency: 8 })

  const revocations = yield* loadRevocations(dir)
  const cutting = yield* followRevocations({
    system: over,
    secrets: hub,
    logs: logsIn(layout),
    revocations,
    remember: yield* openGoneList(dir),
    keep: (all) => Effect.andThen(saveRevocations(dir, all), Effect.orDie(writeAccounts(dir, layout, hub(), all)))
  })
  const audit = yield* hostedAudit(jetStreamLog(stored, streams.audit.name), deployment.identity)
  const shared = sharedStoreKeys(stored, masterKey.key)
  const inner = yield* jetStreamKeyValue(stored, { bucket, replicas: replicasOnCluster }).pipe(Effect.retry(forming))
  const rekeyed = rekeyedStore(inner, deployment.storeKeys, { keep: (keys) => Effect.orDie(keepStoreKeys(dir, masterKey, keys)), tell: shared.tell, ask: Effect.succeedNone })
  const keeper = yield* openStoreKeyKeeper
  const tenants = yield* makeTenants(rekeyed.store, rekeyed.face, deployment.id, (record) => Effect.andThen(cutting.heard(record), keeper.heard(record)))
  const backup = yield* openClusterBackup(dir, stored, deployment, layout)
  const backups = keyBackups({ ...backup, dataDir: dir })
  const record = yield* openSharedSigner(rekeyed.store, rekeyed.face)
  const keep = (next: HubSecrets) =>
    Effect.orDie(Effect.andThen(keepHubSecrets(dir, masterKey, next), writeJoining(dir, layout, masterKey, { ...deployment, hub: next, signer: peersSigner(next) })))
  return {
    run: Effect.all([
      audit.run,
      auditNoted(dir, audit.service),
      auditViolations({ tenants, audit: audit.service }, leafViolations(over)),
      tenants.run,
      // an older tenant store may have been put back beside what this folder knows
      Effect.andThen(tenants.ready, keepOut({ cutting, tenants, dataDir: dir })).pipe(Effect.retry(Schedule.spaced(retryEvery)), Effect.orDie),
      cutting.run,
      shared.answer(rekeyed),
      keeper.run({ tenants, turn: rekeyed.turn, replaceBackups: backups.replace }),
      backups.keep,
      record.run,
      keepSigning({ record, secrets, keep, renewAccounts: cutting.renewAccounts }),
      ...marks.map(({ log, mark }) => keepNamed(dir, log, mark))
    ], { concurrency: "unbounded", discard: true })
  }
})

const lookEvery = Duration.seconds(1)
/** Looks in a row: a leader that was just chosen may for a moment not know all it holds. */
const shorterLooks = 10

/** Name a log, or adopt its name. One that looks shorter than it was is looked at for a while before it is taken for restored. */
const nameLog = Effect.fnUntraced(function*(dir: string, log: EventLog) {
  const kept = markFile(dir, log)
  const held = yield* kept.load
  for (let looks = 0; looks < shorterLooks && Option.isSome(held); looks++) {
    const { lastSeq } = yield* log.info.pipe(Effect.retry(forming))
    if (lastSeq >= held.value.high_water) break
    yield* Effect.sleep(lookEvery)
  }
  return yield* openNamed(kept, log).pipe(Effect.retry({ ...forming, while: ({ _tag }) => _tag === "LogUnavailable" }))
})

/** What the hosted side wrote itself, hosted processes look for: nothing of it is here, and they wait for nobody. */
const openNamed = Effect.fnUntraced(function*(kept: MarkStore, log: EventLog) {
  const mark = yield* openMark(kept, log, () => uuidV7())
  if (mark.own_complete_in === mark.log_epoch) return mark
  const named = { ...mark, own_complete_in: mark.log_epoch }
  yield* kept.save(named)
  yield* log.setMetadata(metadataOf(named))
  return named
})

/** Remember outside the cluster how far a log has gone; raise its epoch when it is shorter and stays so. */
const keepNamed = Effect.fnUntraced(function*(dir: string, log: EventLog, first: Mark) {
  const kept = markFile(dir, log)
  const save = (now: Mark) => kept.save(now).pipe(Effect.catch(({ hint }) => Effect.logWarning("how far the log has gone cannot be noted", { hint })))
  let mark = first
  let shorter = 0
  for (;;) {
    yield* Effect.sleep(lookEvery)
    const info = yield* Effect.option(log.info)
    if (Option.isNone(info)) continue
    const { lastSeq, metadata } = info.value
    // a hosted process found it damaged
    const epoch = epochOf(metadata) ?? 0
    if (epoch > mark.log_epoch) {
      mark = { ...mark, log_epoch: epoch, own_complete_in: epoch }
      yield* save(mark)
    }
    shorter = lastSeq < mark.high_water ? shorter + 1 : 0
    if (shorter >= shorterLooks) {
      mark = yield* openNamed(kept, log).pipe(Effect.catchTag("LogUnavailable", () => Effect.succeed(mark)))
      yield* Effect.logWarning("the log was restored: raising its epoch", { log: log.name, epoch: mark.log_epoch })
    } else if (lastSeq > mark.high_water) {
      mark = { ...mark, high_water: lastSeq }
      yield* save(mark)
    }
  }
})
