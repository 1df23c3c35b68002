import { Clock, Duration, Effect, Result, type Scope, Stream, SubscriptionRef } from "effect"
import { statfs } from "node:fs/promises"
import { diskLowBytes, diskReserveBytes, diskResumeBytes } from "../../streams/limits.ts"
import { type EventLog, LogFull, LogUnavailable } from "./EventLog.ts"
import type { ServerProcess } from "./ServerProcess.ts"

/** How much room the disk under a store has. `full`: nothing more is taken until there is room again. */
export interface Disk {
  readonly state: "ok" | "low" | "full"
  /** Bytes this user may still write; null where the system does not say. */
  readonly freeBytes: number | null
}

export interface DiskGuard {
  readonly disk: SubscriptionRef.SubscriptionRef<Disk>
  /** What whoever is refused is told. */
  readonly fullHint: string
  /** The same log; while the disk is full its appends are refused at once, and reads go on. */
  readonly guard: (log: EventLog) => EventLog
}

const lookEvery = Duration.millis(500)
/** An append under way when the disk fills may still be answered; after this its outcome counts as unknown. */
const lastChance = Duration.seconds(2)
/** A server that answers and does not append is started again, but not all the time: its disk may stay broken. */
const rescueEvery = Duration.seconds(20)

/**
 * Watch the disk under our own nats-server's store.
 *
 * A nats-server that meets ENOSPC once answers no append to that stream any more, says so only in its log, and goes on
 * like this when there is room again; started again it takes appends and has lost nothing it acknowledged (seen on 2.15.1).
 * So writes are refused while there is still a reserve, and the server is started again once there is room.
 * The same is done for a server that does not append for another reason while it answers everything else.
 */
export const guardDisk = (options: { readonly directory: string; readonly server: Pick<ServerProcess, "restart"> }): Effect.Effect<DiskGuard, never, Scope.Scope> =>
  Effect.gen(function*() {
    const disk = yield* SubscriptionRef.make(judge(undefined, yield* freeBytes(options.directory)))
    let stuck = false
    let rescuedAt = 0

    const startAgain = (why: string) =>
      Effect.logWarning(`starting nats-server again: ${why}`).pipe(
        Effect.andThen(options.server.restart),
        Effect.tapError(({ hint }) => Effect.logError(hint)),
        Effect.exit,
        Effect.map((exit) => exit._tag === "Success"))

    const look = Effect.gen(function*() {
      const before = SubscriptionRef.getUnsafe(disk)
      const next = judge(before, yield* freeBytes(options.directory))
      if (next.state === "full" && before.state !== "full") {
        yield* Effect.logError("the disk is full: writes are refused until there is room, reads go on", { directory: options.directory, freeBytes: next.freeBytes })
      }
      if (before.state === "full" && next.state !== "full") {
        if (!(yield* startAgain("the disk was full, and there is room again"))) return
        stuck = false
        yield* Effect.logInfo("writes are taken again")
      }
      yield* SubscriptionRef.set(disk, next)
      const now = yield* Clock.currentTimeMillis
      if (stuck && next.state !== "full" && now - rescuedAt > Duration.toMillis(rescueEvery)) {
        stuck = false
        rescuedAt = now
        yield* startAgain("it answers, and does not append")
      }
    })
    yield* look.pipe(Effect.andThen(Effect.sleep(lookEvery)), Effect.forever, Effect.forkScoped)

    const filled = SubscriptionRef.changes(disk).pipe(Stream.filter(({ state }) => state === "full"), Stream.runHead, Effect.andThen(Effect.sleep(lastChance)))
    return {
      disk, fullHint,
      guard: (log) => ({
        ...log,
        append: (batch) =>
          Effect.suspend(() => {
            if (SubscriptionRef.getUnsafe(disk).state === "full") return Effect.fail(new LogFull({ stream: log.name, hint: fullHint }))
            const answered = log.append(batch).pipe(Effect.tapErrorTag("LogUnavailable", () => Effect.map(Effect.result(log.info), (info) => { stuck = stuck || Result.isSuccess(info) })))
            return Effect.raceFirst(answered, Effect.andThen(filled, Effect.fail(new LogUnavailable({ stream: log.name, cause: new Error("the disk is full") }))))
          })
      })
    }
  })

const fullHint = "The disk is full. Make room: writes are then taken again within seconds, by themselves. Nothing that was acknowledged is lost, and reading goes on."

/** Once full, it stays so until there is clearly room: the first write must not fill it again. */
export const judge = (before: Disk | undefined, freeBytes: number | null): Disk => {
  const reserve = before?.state === "full" ? diskResumeBytes : diskReserveBytes
  return { freeBytes, state: freeBytes === null ? "ok" : freeBytes < reserve ? "full" : freeBytes < diskLowBytes ? "low" : "ok" }
}

/** What this user may still write there; null where the system does not say. */
export const freeBytes = (directory: string): Effect.Effect<number | null> =>
  Effect.promise(() => statfs(directory).then(({ bavail, bsize }) => bavail * bsize, () => null))
