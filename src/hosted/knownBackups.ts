import { Clock, DateTime, Duration, Effect, Result, Schema, Semaphore, type Stream } from "effect"
import { readFile } from "node:fs/promises"
import { hostname } from "node:os"
import { join } from "node:path"
import type { CommandFailed } from "../../streams/Backend.ts"
import type { BackupPlan, BackupPlace, BackupRow } from "../../streams/Backup.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { isoTime } from "../../streams/time.ts"
import { findSets } from "./backupFiles.ts"
import { writeBackup } from "./writeBackup.ts"

/**
 * Where backups of this deployment were written, as whoever asked for one said. `stale`: its keys are of before an erasure,
 * and open what that erased in older log backups.
 */
const Known = Schema.Struct({ folder: Schema.String, host: Schema.String, noted_at: Schema.String, stale: Schema.Boolean })
type Known = typeof Known.Type
const KnownJson = Schema.fromJsonString(Schema.Array(Known))

/** Somebody writes to a new folder every day: those longest ago are let go, and so not replaced. */
const knownMax = 100
const fileOf = (dataDir: string) => join(dataDir, "backups.json")
/** One change at a time, within a process; a command that notes a place beside a running admin role is a moment's work. */
const turn = Semaphore.makeUnsafe(1)

const load = (dataDir: string): Effect.Effect<ReadonlyArray<Known>> =>
  Effect.map(Effect.promise(() => readFile(fileOf(dataDir), "utf8").catch(() => "[]")), (text) => Result.getOrElse(Schema.decodeResult(KnownJson)(text), () => []))

const change = (dataDir: string, to: (known: ReadonlyArray<Known>) => ReadonlyArray<Known>): Effect.Effect<ReadonlyArray<Known>> =>
  Effect.gen(function*() {
    const next = to(yield* load(dataDir))
    yield* Effect.promise(() => replaceFile(fileOf(dataDir), `${JSON.stringify(next, null, 2)}\n`))
    return next
  }).pipe(turn.withPermits(1))

const is = (one: BackupPlace) => ({ folder, host }: Known): boolean => folder === one.folder && host === one.host

/** A backup is about to be written there. Elsewhere than here, it is the newest from now on. */
export const noteBackup = Effect.fnUntraced(function*(dataDir: string, { folder, host }: BackupPlace) {
  const noted_at = isoTime(yield* Clock.currentTimeMillis)
  yield* change(dataDir, (known) => [
    ...known.filter((one) => !is({ folder, host })(one)),
    { folder, host, noted_at, stale: host === hostname() && known.some((one) => is({ folder, host })(one) && one.stale) }
  ].slice(-knownMax))
})

/** Folders whose keys an erasure has made stale, and that could not be replaced yet. */
export const staleBackups = (dataDir: string): Effect.Effect<ReadonlyArray<BackupPlace>> =>
  Effect.map(load(dataDir), (known) => known.filter(({ stale }) => stale).map(({ folder, host }) => ({ folder, host })))

export interface ReplacingContext {
  readonly dataDir: string
  readonly plan: Effect.Effect<BackupPlan, CommandFailed>
  readonly part: (name: string) => Stream.Stream<BackupRow, CommandFailed>
}

const againEvery = Duration.minutes(10)

/** Keys in every known backup are replaced after an erasure, without anybody having to think of it. */
export const keyBackups = (context: ReplacingContext) => {
  const { dataDir } = context
  const replaceStale = Effect.gen(function*() {
    for (const place of yield* staleBackups(dataDir)) {
      const why = yield* replaceOne(context, place)
      if (why === undefined) yield* change(dataDir, (known) => known.map((one) => is(place)(one) ? { ...one, stale: false } : one))
      else yield* Effect.logWarning("a backup holds keys from before an erasure: run `maestra hosted backup --keys-only` for it, or destroy it", { ...place, why })
    }
    return (yield* staleBackups(dataDir)).length
  })
  return {
    /** Replace them all now. Answers how many could not be. */
    replace: Effect.andThen(change(dataDir, (known) => known.map((one) => ({ ...one, stale: true }))), replaceStale),
    /** Those that could not be, again from time to time: a disk that is back, a folder that may be written to now. */
    keep: Effect.forever(Effect.andThen(replaceStale, Effect.sleep(againEvery)))
  }
}

/** Why it could not be done. Only where such a backup is: a folder of the same name on another machine is another one. */
const replaceOne = Effect.fnUntraced(function*({ part, plan: planned }: ReplacingContext, { folder, host }: BackupPlace): Effect.fn.Return<string | undefined> {
  if (host !== hostname()) return `it is on ${host}`
  const found = yield* Effect.result(findSets(folder))
  if (Result.isFailure(found)) return found.failure.why
  const plan = yield* Effect.result(planned)
  if (Result.isFailure(plan)) return plan.failure.hint
  // somebody took the keys away: nothing there opens anything
  if (!found.success.some(({ manifest }) => manifest.kind === "keys" && manifest.backend_id === plan.success.backend_id)) return undefined
  const written = yield* Effect.result(writeBackup({ out: folder, plan: plan.success, part, time: DateTime.formatIso(yield* DateTime.now), keysOnly: true, told: () => Effect.void }))
  return Result.isSuccess(written) ? undefined : "why" in written.failure ? written.failure.why : written.failure.hint
})
