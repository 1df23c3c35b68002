import { Clock, Effect, Option } from "effect"
import { statfs } from "node:fs/promises"
import { join } from "node:path"
import { streams } from "../../streams/definitions.ts"
import type { Wired } from "../nats/connect.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { merge } from "../nats/revocation.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { isLogStream } from "./backup.ts"
import { type BackupSet, BackupUnusable, chooseSets, findSets, sizeOf, verifySet } from "./backupFiles.ts"
import { masterKeyOf, openDeployment } from "./Deployment.ts"
import { loopbackOnly, startHub } from "./Hub.ts"
import { epochOf, markFile, metadataOf } from "./LogMark.ts"
import { commitStaging, dropStaging, finishRestore, isInUse, type Note, openStaging } from "./restoredFolder.ts"
import { deploymentIn, isOfCluster, restorePart, RestoreRefused, streamsOf } from "./restoringParts.ts"
import { loadGone, saveGone } from "./goneList.ts"
import { loadRevocations, saveRevocations } from "./Revocations.ts"
import { noteForAudit } from "./toAudit.ts"

export interface RestoreOrder {
  readonly dataDir: string
  readonly from: string
  /** An older log set than the newest. */
  readonly logSet: string | undefined
  /** Something is there already, and may go. */
  readonly replace: boolean
  /** `what` is being done; bytes so far, and in all. */
  readonly told: (what: string, at: number, of: number) => Effect.Effect<void>
}

/**
 * Make a hosted backend's data directory from a backup. Runs while no hosted process does.
 *
 * Every byte is compared with the manifest, and the master key tried, before anything is made; all is made beside what
 * is there and put in its place at the end (`restoredFolder.ts`). The log gets an epoch that no log of this deployment
 * had, so that every peer compares chains and sends again what the backup lacks.
 */
export const restoreBackup = Effect.fn("restoreBackup")(function*(order: RestoreOrder) {
  const { dataDir, from } = order
  const { keys, log } = yield* Effect.fromResult(chooseSets(from, yield* findSets(from), order.logSet))
  if (yield* isOfCluster(log)) return yield* new RestoreRefused({ type: "of-a-cluster", why: `${log.name} is of a cluster`, hint: "Restore it with `maestra hosted cluster restore`." })
  yield* verifySets([log, keys], order.told)
  if (!(yield* holdDirectory(dataDir))) {
    return yield* new RestoreRefused({ type: "running", why: `a hosted backend runs on ${dataDir}`, hint: "Stop it first, or restore into another data directory (--data-dir)." })
  }
  const earlier = Option.getOrUndefined((yield* finishRestore(dataDir)) ?? Option.none())
  if (earlier !== undefined && earlier.log_set === log.name && earlier.keys_set === keys.name) return earlier
  if (!order.replace && (yield* isInUse(dataDir))) {
    return yield* new RestoreRefused({ type: "not-empty", why: `${dataDir} holds a hosted backend already`, hint: "Choose an empty data directory, or give --replace, which removes what is there once the backup is complete." })
  }
  yield* roomFor(dataDir, log, keys)
  const note = yield* stage(order, log, keys).pipe(Effect.onError(() => Effect.ignore(dropStaging(dataDir))))
  yield* commitStaging(dataDir, note)
  yield* finishRestore(dataDir)
  yield* noteForAudit(dataDir, "restore")
  return note
}, Effect.scoped)

/** Every byte of these sets is as it was written. */
export const verifySets = Effect.fnUntraced(function*(sets: ReadonlyArray<BackupSet>, told: RestoreOrder["told"]) {
  const of = sizeOf(...sets)
  let at = 0
  for (const set of sets) yield* verifySet(set, (bytes) => told("checking", at += bytes, of))
})

/** Snapshots are compressed a little at best; what they become must fit beside what is there. */
const roomFor = Effect.fnUntraced(function*(dataDir: string, ...sets: ReadonlyArray<BackupSet>) {
  const free = yield* Effect.promise(() => statfs(dataDir).then(({ bavail, bsize }) => bavail * bsize, () => Infinity))
  const needed = 1.5 * sizeOf(...sets)
  if (free < needed) return yield* new RestoreRefused({ type: "no-room", why: `the disk of ${dataDir} has ${free} bytes free and the restore needs about ${Math.ceil(needed)}`, hint: "Make room first; what is there is removed only at the end." })
})

/** The whole deployment in the staging folder, its hub started and stopped again. */
const stage = Effect.fnUntraced(function*(order: RestoreOrder, log: BackupSet, keys: BackupSet) {
  const { dataDir } = order
  const staging = yield* openStaging(dataDir)
  const files = yield* deploymentIn(keys)
  for (const [name, text] of Object.entries(files)) yield* Effect.promise(() => replaceFile(join(staging, name), text))
  const masterKey = yield* masterKeyOf((files["deployment-id"] ?? "").trim(), dataDir)
  const deployment = yield* openDeployment(staging, masterKey)
  const now = yield* Clock.currentTimeMillis
  // whoever was shut out since, stays out
  const revocations = merge(yield* loadRevocations(staging), yield* loadRevocations(dataDir), Math.floor(now / 1000))
  yield* saveRevocations(staging, revocations)
  yield* saveGone(staging, { ...yield* loadGone(staging), ...yield* loadGone(dataDir) })

  const known = [yield* markFile(staging, streams.log).load, yield* markFile(dataDir, streams.log).load].map(Option.map(({ log_epoch }) => log_epoch))
  const epochs = [log.manifest.log_epoch, ...known.flatMap(Option.toArray)]
  const restored = yield* Effect.scoped(Effect.gen(function*() {
    const hub = yield* startHub({ dataDir: staging, secrets: deployment.hub, network: loopbackOnly, natsPort: -1, leafPort: -1, revocations, onProgress: () => Effect.void })
    return yield* restoreStreams(order, hub.service, [log, keys], epochs, now)
  }))
  yield* markFile(staging, streams.log).save({ log_id: log.manifest.log_id, log_epoch: restored.epoch, high_water: restored.lastSeq })
  const note: Note = { log_set: log.name, keys_set: keys.name, log_epoch: restored.epoch, events: restored.messages, streams: restored.names }
  return note
})

/** All streams of the sets; the logs are told their new epoch. */
const restoreStreams = Effect.fnUntraced(function*(order: RestoreOrder, wire: Wired, sets: ReadonlyArray<BackupSet>, epochs: ReadonlyArray<number>, now: number) {
  const parts = streamsOf(...sets)
  const of = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  let at = 0
  let messages = 0
  let lastSeq = 0
  const logs = []
  for (const part of parts) {
    const { name } = part
    const info = yield* restorePart(wire, part, 1, (bytes) => order.told("restoring", at += bytes, of))
    if (!isLogStream(name)) continue
    messages += info.messages
    lastSeq = Math.max(lastSeq, info.lastSeq)
    logs.push({ log: jetStreamLog(wire, name), info })
  }
  const log_id = sets[0]!.manifest.log_id
  const epoch = nextEpoch([...epochs, ...logs.flatMap(({ info }) => epochOf(info.metadata) ?? [])], now)
  for (const { log, info } of logs) yield* log.setMetadata({ ...info.metadata, ...metadataOf({ log_id, log_epoch: epoch }) })
  if (logs.length === 0) return yield* new BackupUnusable({ why: `the log set holds no ${streams.log.name}`, hint: "Use another log set (--log-set)." })
  return { epoch, messages, lastSeq, names: parts.map(({ name }) => name) }
})

/**
 * Above every epoch known here, and never one that was used: two restores of one backup, with peers that met the first
 * in between, must not look like the same log. So it is the second of the restore.
 */
export const nextEpoch = (known: ReadonlyArray<number>, nowMillis: number): number => Math.max(...known.map((epoch) => epoch + 1), Math.floor(nowMillis / 1000))
