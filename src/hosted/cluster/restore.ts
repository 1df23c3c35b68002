import { Clock, Duration, Effect, Option, Schedule, Schema } from "effect"
import { mkdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import type { Wired } from "../../nats/connect.ts"
import { LogUnavailable } from "../../nats/EventLog.ts"
import { jetStreamLog } from "../../nats/jetStreamLog.ts"
import { deleteStream, findStream } from "../../nats/provision.ts"
import { replicasOf } from "../../nats/replicas.ts"
import { holdDirectory } from "../../nats/storeLock.ts"
import { replaceFile } from "../../security/replaceFile.ts"
import { isLogStream } from "../backup.ts"
import { type BackupSet, type BackupUnusable, chooseSets, findSets } from "../backupFiles.ts"
import { epochOf, idOf, markFile, metadataOf } from "../LogMark.ts"
import { nextEpoch, verifySets } from "../restore.ts"
import { deploymentIn, partitionsIn, restorePart, RestoreRefused, type StreamPart, streamsOf } from "../restoringParts.ts"
import { noteForAudit } from "../toAudit.ts"
import { connectTo } from "./connecting.ts"
import { initCluster } from "./init.ts"
import { adminFolder, type ClusterLayout, isOnThisMachine, readLayout, replicasOnCluster } from "./layout.ts"
import { startServers } from "./up.ts"

export interface ClusterRestoreOrder {
  /** The new cluster's folder. */
  readonly dir: string
  readonly from: string
  /** An older log set than the newest. */
  readonly logSet: string | undefined
  /** Streams that are there and hold something may go. */
  readonly replace: boolean
  /** Where its servers are to be, where the folder is not made yet. */
  readonly wanted: (partitions: number) => ClusterLayout
  /** `what` is being done; bytes so far, and in all. */
  readonly told: (what: string, at: number, of: number) => Effect.Effect<void>
  readonly onProgress: (line: string) => Effect.Effect<void>
}

/** How far a restore has come, beside the cluster's files: the same command goes on where this one stopped. */
const Note = Schema.Struct({ log_set: Schema.String, keys_set: Schema.String, log_epoch: Schema.Int, done: Schema.Array(Schema.String) })
type Note = typeof Note.Type
const readNote = Schema.decodeUnknownOption(Schema.fromJsonString(Note))
const noteFile = (dir: string) => join(dir, "restore.json")

/** Servers that were just started find one another; those on other machines either run, or have to be started first. */
const forming = { schedule: Schedule.spaced(Duration.millis(500)), times: 120 } as const

/** Servers that do not take a stream yet are asked again so many times. */
const again = { schedule: Schedule.spaced(Duration.seconds(2)), times: 20 } as const
/** A stream whose restore broke off in the middle is sent from its beginning, so many times. */
const sendsMax = 3
const lookEvery = Duration.millis(500)
/** Looks in a row: a server that was just told of what it lacks counts as whole until it begins to fetch it. */
const wholeLooks = 4
const copiedWithin = Duration.minutes(30)

/**
 * A new cluster from the backup of another one, or of a hub of one server that is outgrown: its folder with the
 * deployment's keys, then every stream on its servers, the log in an epoch it never had. On one machine the servers are
 * started for it; on three, the first run makes the folders, and once the servers run the same command fills them. No
 * hosted process and no admin role runs meanwhile.
 *
 * Stream by stream, each whole or not at all, and noted: interrupted, it is simply run again.
 */
export const restoreCluster = Effect.fn("cluster.restore")(function*(order: ClusterRestoreOrder) {
  const { dir, from } = order
  const { keys, log } = yield* Effect.fromResult(chooseSets(from, yield* findSets(from), order.logSet))
  const count = partitionsIn(log)
  yield* verifySets([log, keys], order.told)
  const layout = yield* makeFolder(order, keys, count)
  const lock = adminFolder(dir)
  yield* Effect.promise(() => mkdir(lock, { recursive: true, mode: 0o700 }))
  if (!(yield* holdDirectory(lock))) return yield* refuse("running", `the admin role of ${dir} runs`, "Stop it and all hosted processes first.")
  if (isOnThisMachine(layout)) yield* startServers(dir, layout.servers, order.onProgress)
  const { wire } = yield* connectTo(dir, layout, "cluster restore").pipe(
    Effect.retry({ ...forming, times: isOnThisMachine(layout) ? forming.times : 4 }),
    Effect.catchTag("ConnectFailed", () => refuse("servers-missing", `the folders are made, and no server answers at ${layout.servers.map(({ host }) => host).join(", ")}`, `Put ${dir}/hub-1 to hub-3 on their machines, start the servers, and run this again: it goes on from here.`)))
  return yield* fill(order, wire, log, keys)
}, Effect.scoped)

/** The deployment as it was, in a folder of this machine; a folder that is made already must be of the same one. */
const makeFolder = Effect.fnUntraced(function*({ dir, wanted }: ClusterRestoreOrder, keys: BackupSet, count: number) {
  const files = yield* deploymentIn(keys)
  const held = yield* Effect.promise(() => readFile(join(dir, "deployment-id"), "utf8").catch(() => undefined))
  if (held !== undefined && held !== files["deployment-id"]) {
    return yield* refuse("not-empty", `${dir} holds the keys of another deployment`, "Choose another folder (--data-dir).")
  }
  const made = yield* readLayout(dir)
  if (Option.isSome(made)) {
    return made.value.partitions === count ? made.value : yield* refuse("other-partitions", `the cluster in ${dir} has ${made.value.partitions} partitions and the backup ${count}`, "Choose another folder (--data-dir).")
  }
  yield* Effect.promise(async () => {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [name, text] of Object.entries(files)) await replaceFile(join(dir, name), text!)
  })
  return (yield* initCluster(dir, wanted(count), { partitions: true, hosts: false })).layout
})

const fill = Effect.fnUntraced(function*({ dir, replace, told }: ClusterRestoreOrder, wire: Wired, log: BackupSet, keys: BackupSet) {
  const parts = streamsOf(log, keys)
  const of = parts.reduce((sum, { bytes }) => sum + bytes, 0)
  let at = 0
  let note = yield* noteOf(dir, log, keys)
  let messages = 0
  for (const part of parts) {
    const { name } = part
    if (!note.done.includes(name)) {
      yield* mayGo(wire, name, replace)
      yield* restoreOne(wire, part, (bytes) => told("restoring", at + bytes, of))
    }
    at += part.bytes
    if (isLogStream(name)) messages += yield* nameAnew(dir, wire, name, note.log_epoch)
    note = { ...note, done: [...new Set([...note.done, name])] }
    yield* keepNote(dir, note)
  }
  yield* noteForAudit(dir, "restore")
  yield* Effect.promise(() => rm(noteFile(dir), { force: true }))
  return { log_set: note.log_set, keys_set: note.keys_set, log_epoch: note.log_epoch, events: messages, streams: parts.map(({ name }) => name) }
})

type RestoreError = LogUnavailable | Effect.Error<ReturnType<typeof restorePart>>

/**
 * One stream, whole on every server or not at all. Of three servers one takes the snapshot and the others fetch it from
 * that one: which of them that is, is chosen beforehand, and on a busy machine another may be elected all the same; and
 * what one alone has when the servers stop, the two others would not miss.
 */
const restoreOne = (wire: Wired, part: StreamPart, told: (bytes: number) => Effect.Effect<void>) => {
  const { name } = part
  let sent = 0
  let sends = 0
  const attempt = Effect.suspend(() => {
    sent = 0
    return deleteStream(wire, name).pipe(
      Effect.andThen(restorePart(wire, part, replicasOnCluster, (bytes) => told(sent += bytes))),
      Effect.flatMap((restored) => Effect.andThen(copied(wire, name), isStill(wire, name, restored))),
      Effect.onError(() => Effect.ignore(deleteStream(wire, name))))
  })
  const mayPass = (error: RestoreError) => (error._tag === "LogUnavailable" || error._tag === "RestoreFailed") && (sent === 0 || ++sends < sendsMax)
  return attempt.pipe(
    Effect.tapError((error) => error._tag === "BackupUnusable" ? Effect.void : Effect.logWarning("the restore of a stream broke off", { stream: name, why: whyOf(error) })),
    Effect.retry({ ...again, while: mayPass }))
}

const whyOf = (error: Exclude<RestoreError, BackupUnusable>): string => error._tag === "LogUnavailable" ? error.cause instanceof Error ? error.cause.message || error.cause.name : "it does not answer" : error.why

/** Wait until every server has what the one has that took the snapshot. */
const copied = Effect.fnUntraced(function*(wire: Wired, stream: string) {
  for (let looks = 0; looks < wholeLooks;) {
    const whole = yield* replicasOf(wire, stream).pipe(Effect.map(({ whole }) => whole), Effect.orElseSucceed(() => false))
    looks = whole ? looks + 1 : 0
    yield* Effect.sleep(lookEvery)
  }
}, (effect, _, stream) => Effect.timeoutOrElse(effect, { duration: copiedWithin, orElse: () => Effect.fail(new LogUnavailable({ stream, cause: new Error("it did not reach every server") })) }))

const isStill = Effect.fnUntraced(function*(wire: Wired, stream: string, restored: { readonly lastSeq: number }) {
  const { lastSeq } = yield* jetStreamLog(wire, stream).info
  if (lastSeq !== restored.lastSeq) return yield* new LogUnavailable({ stream, cause: new Error(`it ended at ${restored.lastSeq}, and ends at ${lastSeq}`) })
})

/** Chosen once, however often the restore is repeated: an epoch stands for one history. */
const noteOf = Effect.fnUntraced(function*(dir: string, log: BackupSet, keys: BackupSet) {
  const held = Option.getOrUndefined(readNote(yield* Effect.promise(() => readFile(noteFile(dir), "utf8").catch(() => ""))))
  if (held !== undefined && held.log_set === log.name && held.keys_set === keys.name) return held
  const note: Note = { log_set: log.name, keys_set: keys.name, log_epoch: nextEpoch([log.manifest.log_epoch], yield* Clock.currentTimeMillis), done: [] }
  yield* keepNote(dir, note)
  return note
})

const keepNote = (dir: string, note: Note) => Effect.promise(() => replaceFile(noteFile(dir), `${JSON.stringify(note)}\n`))

/** What is there and holds nothing was made by an admin role that started too early, and goes; the rest only when told so. */
const mayGo = Effect.fnUntraced(function*(wire: Wired, name: string, replace: boolean) {
  const found = yield* findStream(wire, name).pipe(Effect.retry(forming))
  if (Option.isSome(found) && found.value.state.messages > 0 && !replace) {
    return yield* refuse("not-empty", `the cluster holds a ${name} with ${found.value.state.messages} messages`, "Restore into a new cluster, or give --replace, which removes what is there.")
  }
})

/**
 * A partition keeps its id and is in the new epoch; what hosted processes still have of their own writes, and this copy
 * has not, they write again. Returns how many messages it holds.
 */
const nameAnew = Effect.fnUntraced(function*(dir: string, wire: Wired, name: string, log_epoch: number) {
  const log = jetStreamLog(wire, name)
  const { lastSeq, messages, metadata } = yield* log.info.pipe(Effect.retry(forming))
  const log_id = idOf(metadata)
  if (log_id === undefined) return yield* refuse("not-the-same", `${name} of the backup has no name`, "Use an older log set (--log-set).")
  if (epochOf(metadata) !== log_epoch) yield* log.setMetadata({ ...metadata, ...metadataOf({ log_id, log_epoch, own_complete_in: log_epoch }) }).pipe(Effect.retry(forming))
  yield* markFile(dir, log).save({ log_id, log_epoch, high_water: lastSeq, own_complete_in: log_epoch })
  return messages
})

const refuse = (type: string, why: string, hint: string) => Effect.fail(new RestoreRefused({ type, why, hint }))
