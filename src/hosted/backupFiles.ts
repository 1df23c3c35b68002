import { Effect, Result, Schema } from "effect"
import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"

/**
 * A backup folder on the disk:
 *
 * ```
 * DIR/log-<time>/manifest.json      streams of one run; as many sets as there were runs
 *     log-<time>/LOG.snapshot …
 * DIR/keys-<time>/manifest.json     what opens them: the newest only, replaced at each run
 *     keys-<time>/KV_TENANTS.snapshot, deployment.snapshot
 * ```
 *
 * A set is complete when its manifest is there, which is written last. Nothing in it is in the clear but identities
 * and numbers: events are sealed, TENANTS and the deployment are encrypted under the master key, which is in no backup.
 */
export const Manifest = Schema.Struct({
  format: Schema.Literal("maestra-backup:1"),
  kind: Schema.Literals(["log", "keys"]),
  made_at: Schema.String,
  backend_id: Schema.String,
  log_id: Schema.String,
  log_epoch: Schema.Int,
  nats_server: Schema.String,
  parts: Schema.Array(Schema.Struct({ name: Schema.String, bytes: Schema.Int, sha256: Schema.String }))
})
export type Manifest = typeof Manifest.Type
export type Kind = Manifest["kind"]

export interface BackupSet {
  readonly name: string
  readonly dir: string
  readonly manifest: Manifest
}

/** The backup cannot be used as it is. Nothing was changed; `why` names the file. */
export class BackupUnusable extends Schema.TaggedError<BackupUnusable>()("BackupUnusable", { why: Schema.String, hint: Schema.String }) {}

export const manifestFile = "manifest.json"
export const partFile = (part: string) => `${part}.snapshot`
const setName = /^(log|keys)-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/
/** Sorted by name they are sorted by time. */
export const setNameOf = (kind: Kind, time: string): string => `${kind}-${time.replace(/[:.]/g, "-")}`
export const isSetName = (name: string): boolean => setName.test(name)

const ManifestJson = Schema.fromJsonString(Manifest)

/** All complete sets of a backup folder, oldest first. A set whose manifest is damaged is named, not passed over. */
export const findSets = Effect.fn("findSets")(function*(from: string): Effect.fn.Return<ReadonlyArray<BackupSet>, BackupUnusable> {
  const names = yield* Effect.tryPromise({
    try: () => readdir(from),
    catch: () => new BackupUnusable({ why: `${from} cannot be read`, hint: "Give the folder that `maestra hosted backup --out` wrote." })
  })
  const sets: Array<BackupSet> = []
  for (const name of names.filter(isSetName).sort()) {
    const dir = join(from, name)
    const text = yield* Effect.promise(() => readFile(join(dir, manifestFile), "utf8").catch(() => undefined))
    if (text === undefined) continue
    const manifest = Schema.decodeResult(ManifestJson)(text)
    if (Result.isFailure(manifest)) return yield* damaged(join(dir, manifestFile), "it cannot be read")
    sets.push({ name, dir, manifest: manifest.success })
  }
  return sets
})

/** The sets to restore: the log set asked for, or the newest, and the newest keys. */
export const chooseSets = (from: string, sets: ReadonlyArray<BackupSet>, wanted: string | undefined): Result.Result<{ readonly log: BackupSet; readonly keys: BackupSet }, BackupUnusable> => {
  const logs = sets.filter(({ manifest }) => manifest.kind === "log")
  const log = wanted === undefined ? logs.at(-1) : logs.find(({ name }) => name === wanted)
  const keys = sets.findLast(({ manifest }) => manifest.kind === "keys")
  const unusable = (why: string, hint: string) => Result.fail(new BackupUnusable({ why, hint }))
  if (log === undefined) {
    return unusable(`${from} holds no complete ${wanted ?? "log set"}`, logs.length === 0 ? "Give the folder that `maestra hosted backup --out` wrote." : `It holds ${logs.map(({ name }) => name).join(", ")}.`)
  }
  if (keys === undefined) return unusable(`${from} holds no complete keys set`, "Put the keys-… folder of this backup beside its log-… folders.")
  if (log.manifest.backend_id !== keys.manifest.backend_id) return unusable(`${log.name} and ${keys.name} are of two deployments`, "Keep the backups of each deployment in a folder of their own.")
  return Result.succeed({ log, keys })
}

/** Compare every byte of a set with its manifest. `told` hears how many bytes were read. */
export const verifySet = Effect.fn("verifySet")(function*(set: BackupSet, told: (bytes: number) => Effect.Effect<void>): Effect.fn.Return<void, BackupUnusable> {
  for (const part of set.manifest.parts) {
    const file = join(set.dir, partFile(part.name))
    const found = yield* Effect.tryPromise({ try: () => stat(file), catch: () => new BackupUnusable({ why: `${file} is missing`, hint: otherCopy }) })
    if (found.size !== part.bytes) return yield* damaged(file, `it has ${found.size} bytes and should have ${part.bytes}`)
    const sum = yield* Effect.tryPromise({ try: (signal) => sumOf(file, signal), catch: () => new BackupUnusable({ why: `${file} cannot be read`, hint: otherCopy }) })
    if (sum !== part.sha256) return yield* damaged(file, "its SHA-256 is not the manifest's")
    yield* told(part.bytes)
  }
})

export const sizeOf = (...sets: ReadonlyArray<BackupSet>): number => sets.flatMap(({ manifest }) => manifest.parts).reduce((sum, { bytes }) => sum + bytes, 0)

const sumOf = async (file: string, signal: AbortSignal): Promise<string> => {
  const hash = createHash("sha256")
  for await (const bytes of createReadStream(file, { signal, highWaterMark: 1024 * 1024 })) hash.update(bytes)
  return hash.digest("hex")
}

const otherCopy = "Use another copy of this backup, or an older log set (--log-set). Nothing was changed."
const damaged = (file: string, why: string) => Effect.fail(new BackupUnusable({ why: `${file} is damaged: ${why}`, hint: otherCopy }))
