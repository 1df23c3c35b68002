import { readFile, unlink, writeFile } from "node:fs/promises"
import { Effect, Schedule, Schema } from "effect"

/** Another process holds the file, or the lock cannot be made. Nothing was changed. */
export class LockFailed extends Schema.TaggedError<LockFailed>()("LockFailed", { why: Schema.String, held: Schema.Boolean }) {}

/** A holder needs milliseconds: after five seconds it hangs. */
const patience = Schedule.max([Schedule.spaced("25 millis"), Schedule.recurs(200)])

/** Run while holding `<path>.lock`, which names this process. A lock whose process is gone is taken over. */
export const withFileLock = <A, E, R>(path: string, use: Effect.Effect<A, E, R>): Effect.Effect<A, E | LockFailed, R> =>
  Effect.acquireUseRelease(
    acquire(`${path}.lock`).pipe(Effect.retry({ schedule: patience, while: (failure: LockFailed) => failure.held })),
    () => use,
    () => Effect.promise(() => unlink(`${path}.lock`).catch(() => {}))
  )

const acquire = (lock: string): Effect.Effect<void, LockFailed> =>
  Effect.tryPromise({
    try: () => writeFile(lock, `${process.pid}\n`, { flag: "wx", mode: 0o600 }),
    catch: (cause) => new LockFailed({ why: `${lock}: ${cause instanceof Error ? cause.message : "unknown"}`, held: isExisting(cause) })
  }).pipe(Effect.tapError((failure) => failure.held ? Effect.promise(() => removeAbandoned(lock)) : Effect.void))

const isExisting = (cause: unknown): boolean => cause instanceof Error && "code" in cause && cause.code === "EEXIST"

const removeAbandoned = async (lock: string): Promise<void> => {
  const pid = Number(await readFile(lock, "utf8").catch(() => ""))
  if (!Number.isInteger(pid) || pid <= 0 || isRunning(pid)) return
  await unlink(lock).catch(() => {})
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    // EPERM: it runs, as somebody else
    return !(cause instanceof Error && "code" in cause && cause.code === "ESRCH")
  }
}
