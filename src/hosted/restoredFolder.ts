import { Effect, Schema } from "effect"
import { access, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises"
import { join } from "node:path"
import { replaceFile } from "../security/replaceFile.ts"
import { deploymentFiles } from "./backup.ts"

/**
 * A restore is made in `restore.partial`, beside what is there, and takes its place only when it is complete: from the
 * moment `restore.ready` exists it counts, and whoever comes next (a repeated restore, `hosted up`) finishes the move.
 * Before that moment nothing that was there has been touched.
 */
const partialName = "restore.partial"
const readyName = "restore.ready"
const noteName = "restore.json"

/** The data directory's files cannot be moved. Repeat the same command: it goes on where this one stopped. */
export class FolderUnusable extends Schema.TaggedError<FolderUnusable>()("FolderUnusable", { why: Schema.String, hint: Schema.String }) {}

/** Which sets a folder was restored from, and into which epoch. */
export const Note = Schema.Struct({ log_set: Schema.String, keys_set: Schema.String, log_epoch: Schema.Int, events: Schema.Int, streams: Schema.Array(Schema.String) })
export type Note = typeof Note.Type
const readNote = Schema.decodeUnknownOption(Schema.fromJsonString(Note))

const stagingOf = (dataDir: string): string => join(dataDir, partialName)

/** An empty staging folder; what an earlier restore left half made is gone. */
export const openStaging = (dataDir: string) =>
  files(async () => {
    await rm(stagingOf(dataDir), { recursive: true, force: true })
    await mkdir(stagingOf(dataDir), { recursive: true, mode: 0o700 })
    return stagingOf(dataDir)
  })

export const dropStaging = (dataDir: string) => files(() => rm(stagingOf(dataDir), { recursive: true, force: true }))

/** Does this folder hold a deployment already? */
export const isInUse = (dataDir: string) =>
  files(async () => {
    for (const name of ["keys.json", join("nats", "store")]) if (await exists(join(dataDir, name))) return true
    return false
  })

/** The staged folder is complete: from here on it counts. */
export const commitStaging = Effect.fnUntraced(function*(dataDir: string, note: Note) {
  const staging = stagingOf(dataDir)
  yield* files(async () => {
    // the store alone: configuration, account tokens and logs are made at each start
    for (const name of await readdir(join(staging, "nats"))) if (name !== "store") await rm(join(staging, "nats", name), { recursive: true, force: true })
    await replaceFile(join(staging, noteName), JSON.stringify(note))
    await sync(staging)
    await rename(staging, join(dataDir, readyName))
    await syncOne(dataDir)
  })
})

/** Move a complete restore into place, if there is one; what it replaces is removed, and the tables are built anew. */
export const finishRestore = Effect.fn("finishRestore")(function*(dataDir: string) {
  const ready = join(dataDir, readyName)
  if (!(yield* files(() => exists(ready)))) return undefined
  yield* Effect.logWarning("putting the restored backup in place", { from: ready })
  const note = yield* files(() => readFile(join(ready, noteName), "utf8").catch(() => ""))
  yield* files(async () => {
    for (const ending of ["", "-wal", "-shm"]) await rm(join(dataDir, `hosted.sqlite${ending}`), { force: true })
    // another deployment's invitation to join, until the next start writes this one's
    await rm(join(dataDir, "cluster.json"), { force: true })
    for (const name of ["nats", ...deploymentFiles]) {
      if (!(await exists(join(ready, name)))) continue
      await rm(join(dataDir, name), { recursive: true, force: true })
      await rename(join(ready, name), join(dataDir, name))
    }
    await syncOne(dataDir)
    await rm(ready, { recursive: true, force: true })
  })
  return readNote(note)
})

const exists = (path: string) => access(path).then(() => true, () => false)

/** nats-server does not sync what it restores; what counts must be on the disk. */
const sync = async (folder: string): Promise<void> => {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await sync(path)
    else if (entry.isFile()) await syncOne(path)
  }
  await syncOne(folder)
}

const syncOne = async (path: string): Promise<void> => {
  const handle = await open(path, "r")
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const files = <A>(run: () => Promise<A>): Effect.Effect<A, FolderUnusable> =>
  Effect.tryPromise({
    try: run,
    catch: (cause) => new FolderUnusable({ why: cause instanceof Error ? cause.message : "a file could not be moved", hint: "See who owns the data directory and whether its disk is full, then run the same command again." })
  })
