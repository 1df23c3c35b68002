import { Effect, Schema, Stream } from "effect"
import { createHash } from "node:crypto"
import { mkdir, open, readdir, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { BackupPlan, BackupRow } from "../../streams/Backup.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { isSetName, type Kind, type Manifest, manifestFile, partFile, setNameOf } from "./backupFiles.ts"

/** The backup is not complete. What an earlier run made is as it was; this run's half is gone. */
export class BackupFailed extends Schema.TaggedError<BackupFailed>()("BackupFailed", { why: Schema.String, hint: Schema.String }) {}

export interface BackupOrder<E> {
  readonly out: string
  readonly plan: BackupPlan
  readonly part: (name: string) => Stream.Stream<BackupRow, E>
  /** ISO time, the sets' name. */
  readonly time: string
  /** Only what opens the logs: after an erasure or a revocation, when no older copy of it may be left. */
  readonly keysOnly: boolean
  readonly told: (part: string, at: number, of: number) => Effect.Effect<void>
}

export interface BackupMade {
  readonly sets: ReadonlyArray<string>
  readonly bytes: number
  readonly parts: ReadonlyArray<{ readonly name: string; readonly bytes: number }>
}

/**
 * Write what the running backend sends into a backup folder.
 *
 * All bytes are on the disk before the first manifest, and the keys' manifest is there before the logs': a log set that
 * is complete has keys at least as new. Then older keys are removed. Interrupted, it leaves what was complete before.
 */
export const writeBackup = Effect.fn("writeBackup")(function*<E>(order: BackupOrder<E>) {
  const { out, plan, time } = order
  yield* disk(out, () => mkdir(out, { recursive: true, mode: 0o700 }))
  if (!(yield* holdDirectory(out))) return yield* new BackupFailed({ why: `another backup is being written to ${out}`, hint: "Wait for it, or give this one another folder." })
  yield* dropIncomplete(out)
  const parts: Record<Kind, Array<Manifest["parts"][number]>> = { log: [], keys: [] }
  const kinds: ReadonlyArray<Kind> = order.keysOnly ? ["keys"] : ["log", "keys"]
  yield* Effect.addFinalizer((exit) => exit._tag === "Success" ? Effect.void : dropIncomplete(out).pipe(Effect.ignore))
  for (const kind of kinds) {
    const dir = join(out, setNameOf(kind, time))
    yield* disk(dir, () => mkdir(dir, { mode: 0o700 }))
    for (const { name } of plan.parts.filter(({ keys }) => keys === (kind === "keys"))) {
      parts[kind].push({ name, ...(yield* writePart(join(dir, partFile(name)), order.part(name), (at, of) => order.told(name, at, of))) })
    }
  }
  for (const kind of [...kinds].reverse()) {
    const manifest: Manifest = {
      format: "maestra-backup:1",
      kind,
      made_at: time,
      backend_id: plan.backend_id,
      log_id: plan.log_id,
      log_epoch: plan.log_epoch,
      nats_server: plan.nats_server,
      parts: parts[kind]
    }
    const file = join(out, setNameOf(kind, time), manifestFile)
    yield* disk(file, () => replaceFile(file, `${JSON.stringify(manifest, null, 2)}\n`))
  }
  yield* dropOlderKeys(out, setNameOf("keys", time))
  const made: BackupMade = {
    sets: kinds.map((kind) => setNameOf(kind, time)),
    parts: kinds.flatMap((kind) => parts[kind]).map(({ bytes, name }) => ({ name, bytes })),
    bytes: kinds.flatMap((kind) => parts[kind]).reduce((sum, { bytes }) => sum + bytes, 0)
  }
  return made
}, Effect.scoped)

/** One file: a line with what the part is, where it is a stream, and its bytes. Synced; its size and SHA-256. */
const writePart = Effect.fnUntraced(function*<E>(file: string, rows: Stream.Stream<BackupRow, E>, told: (at: number, of: number) => Effect.Effect<void>) {
  const handle = yield* Effect.acquireRelease(disk(file, () => open(file, "wx", 0o600)), (open) => Effect.promise(() => open.close().catch(() => {})))
  const hash = createHash("sha256")
  let bytes = 0
  let of = 0
  let isWhole = false
  const put = (data: Uint8Array) =>
    Effect.andThen(disk(file, () => handle.writeFile(data)), Effect.suspend(() => {
      hash.update(data)
      bytes += data.length
      return told(bytes, of)
    }))
  yield* rows.pipe(Stream.runForEach((row) => {
    if ("head" in row) {
      of = row.of
      return row.head === null ? Effect.void : put(Buffer.from(`${JSON.stringify(row.head)}\n`))
    }
    if ("data" in row) return put(Buffer.from(row.data, "base64"))
    isWhole = true
    return Effect.void
  }))
  if (!isWhole) return yield* new BackupFailed({ why: `${file} did not arrive whole`, hint: "Run it again; the backend's log says why it stopped." })
  yield* disk(file, () => handle.sync())
  return { bytes, sha256: hash.digest("hex") }
}, Effect.scoped)

/** Sets that a run left without their manifest: nobody can restore from them. */
const dropIncomplete = (out: string) =>
  disk(out, async () => {
    for (const name of (await readdir(out)).filter(isSetName)) {
      const isComplete = await stat(join(out, name, manifestFile)).then(() => true, () => false)
      if (!isComplete) await rm(join(out, name), { recursive: true, force: true })
    }
  })

const dropOlderKeys = (out: string, newest: string) =>
  disk(out, async () => {
    for (const name of await readdir(out)) {
      if (isSetName(name) && name.startsWith("keys-") && name < newest) await rm(join(out, name), { recursive: true, force: true })
    }
  })

const disk = <A>(file: string, run: () => Promise<A>): Effect.Effect<A, BackupFailed> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new BackupFailed({ why: `${file} cannot be written: ${cause instanceof Error ? cause.message : "unknown reason"}`, hint: "See who owns the folder and whether its disk is full, then run it again." })
  })
