import { Effect, Option, Result, Schema, Stream } from "effect"
import { createReadStream } from "node:fs"
import { open, readFile } from "node:fs/promises"
import { join } from "node:path"
import { streams } from "../../streams/definitions.ts"
import type { Wired } from "../nats/connect.ts"
import { restoreStream, SnapshotHead, snapshotState } from "../nats/snapshot.ts"
import { deploymentFiles, deploymentPart, isLogStream, tenantStore } from "./backup.ts"
import { type BackupSet, BackupUnusable, partFile } from "./backupFiles.ts"

/** The backup was not restored. What was in the data directory is as it was. */
export class RestoreRefused extends Schema.TaggedError<RestoreRefused>()("RestoreRefused", { type: Schema.String, why: Schema.String, hint: Schema.String }) {}

/** One stream of a backup. */
export interface StreamPart {
  readonly name: string
  readonly bytes: number
  readonly file: string
}

/** The streams of these sets, in the order they were saved. */
export const streamsOf = (...sets: ReadonlyArray<BackupSet>): ReadonlyArray<StreamPart> =>
  sets.flatMap((set) => set.manifest.parts.filter(({ name }) => name !== deploymentPart).map(({ bytes, name }) => ({ name, bytes, file: join(set.dir, partFile(name)) })))

/** Streams the log in a backup is spread over: one, `LOG`, on a hub of one server, and as many as it was made with on a cluster. */
export const partitionsIn = ({ manifest: { parts } }: BackupSet): number => parts.filter(({ name }) => isLogStream(name)).length

/** Was it a cluster's? One partition alone is called the same on both, and kept more than once there. */
export const isOfCluster = Effect.fnUntraced(function*({ dir, manifest: { parts } }: BackupSet) {
  if (!parts.some(({ name }) => name === streams.log.name)) return true
  const { head: { config } } = yield* headOf(join(dir, partFile(streams.log.name)))
  return Number(config["num_replicas"] ?? 1) > 1
})

/**
 * Make one stream again, which must not be there, and compare what the server then holds with what was saved. It may hold
 * less: what went while the backup was made or since, where the stream keeps for so long only, and what the disk had spoiled that the backup was made
 * from. Of a log its authors send that again, and of every other the rest is worth having; but a tenant store is taken whole
 * or not at all. It is kept `replicas` times, however often it was where the backup was made.
 */
export const restorePart = Effect.fnUntraced(function*(wire: Wired, { file, name }: StreamPart, replicas: number, told: (bytes: number) => Effect.Effect<void>) {
  const { head: { config, state }, start } = yield* headOf(file)
  const head = { config: { ...config, num_replicas: replicas }, state }
  const bytes = Stream.fromAsyncIterable<Uint8Array, BackupUnusable>(createReadStream(file, { start, highWaterMark: 256 * 1024 }), () => cannotRead(file)).pipe(
    Stream.tap((chunk) => told(chunk.length)))
  const info = yield* restoreStream(wire, name, head, bytes)
  const saved = Option.getOrUndefined(snapshotState(head))
  const lacking = saved === undefined ? 0 : saved.messages - info.messages
  if (saved === undefined || info.lastSeq !== saved.last_seq || lacking < 0 || (lacking > 0 && name === tenantStore)) {
    return yield* new RestoreRefused({ type: "not-the-same", why: `${name} holds ${info.messages} messages after the restore and ${saved?.messages ?? "?"} in the backup`, hint: "Restore with the version of nats-server that made the backup, or a newer one; or use another copy of the backup." })
  }
  if (lacking > 0) yield* Effect.logWarning(isLogStream(name) ? spoiledThere : runOut, { stream: name, messages: lacking })
  return info
})

const spoiledThere = "the backup holds messages that were spoiled on the disk it was made from; whoever wrote them sends them again"
const runOut = "some messages of the backup were kept long enough meanwhile, or were spoiled on the disk it was made from"

const Files = Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))

/** The deployment's own files in a keys set, by name. */
export const deploymentIn = Effect.fnUntraced(function*(keys: BackupSet) {
  const file = join(keys.dir, partFile(deploymentPart))
  const text = yield* Effect.tryPromise({ try: () => readFile(file, "utf8"), catch: () => cannotRead(file) })
  const read = Schema.decodeResult(Files)(text)
  if (Result.isFailure(read)) return yield* cannotRead(file)
  // without one of these a new one would be made, which opens nothing
  for (const name of ["deployment-id", "identity.json", "keys.json"]) {
    if (read.success[name] === undefined) return yield* new BackupUnusable({ why: `${file} holds no ${name}`, hint: "Use another copy of this backup. Nothing was changed." })
  }
  // names come from a file that may have been tampered with: only ours are written
  return Object.fromEntries(deploymentFiles.flatMap((name) => read.success[name] === undefined ? [] : [[name, read.success[name]]]))
})

/** The first line says what the stream was; its bytes follow. */
const headOf = Effect.fnUntraced(function*(file: string) {
  const { first, start } = yield* Effect.tryPromise({ try: () => firstLine(file), catch: () => cannotRead(file) })
  const head = Schema.decodeResult(Schema.fromJsonString(SnapshotHead))(first)
  if (Result.isFailure(head)) return yield* cannotRead(file)
  return { head: head.success, start }
})

const headMaxBytes = 1024 * 1024

const firstLine = async (file: string): Promise<{ readonly first: string; readonly start: number }> => {
  const handle = await open(file, "r")
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headMaxBytes), 0, headMaxBytes, 0)
    const end = buffer.subarray(0, bytesRead).indexOf(10)
    return { first: buffer.toString("utf8", 0, Math.max(0, end)), start: end + 1 }
  } finally {
    await handle.close()
  }
}

const cannotRead = (file: string) => new BackupUnusable({ why: `${file} cannot be read`, hint: "Use another copy of this backup. Nothing was changed." })
