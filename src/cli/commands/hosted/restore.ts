import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { resolve } from "node:path"
import { CliFailure, failed, notReachable, refused } from "../../failure.ts"
import { answer } from "../../print.ts"
import { progressBar } from "../../progress.ts"
import { asText, logging, notStarted } from "../../serving/serve.ts"
import { prepareFolder, refuseSecond } from "../../serving/folder.ts"
import { sideDir } from "../../settings.ts"
import { duration, plural } from "../../text.ts"

/** Of a restore, of one server or of a cluster. */
export const restoreFlags = {
  from: Flag.String("from").pipe(Flag.withDescription("Folder that the backup was written to")),
  logSet: Flag.String("log-set").pipe(Flag.withDescription("An older log-… folder in it (default: the newest)"), Flag.optional),
  replace: Flag.Boolean("replace").pipe(Flag.withDescription("Remove the hosted backend, or the streams, that are there"), Flag.withDefault(false))
}

/** `hosted restore --from DIR`: a data directory from a backup. Safe to repeat, whatever stopped it. */
export const restore = Command.make(
  "restore",
  restoreFlags,
  Effect.fn(function*({ from, logSet, replace }) {
    const dir = yield* sideDir("hosted")
    yield* prepareFolder(dir)
    yield* refuseSecond("hosted", dir)
    const { restoreBackup } = yield* Effect.promise(() => import("../../../hosted/restore.ts"))
    const bar = yield* progressBar("restoring")
    const note = yield* restoreBackup({
      dataDir: dir,
      from: resolve(from),
      logSet: Option.getOrUndefined(logSet),
      replace,
      told: (what, at, of) => bar.show({ at, of, done: Math.round(at / 1024), unit: `KiB ${what === "checking" ? "checked" : "restored"}` })
    }).pipe(
      Effect.mapError((error) => notRestored(error)),
      Effect.ensuring(bar.clear)
    )
    const seconds = (yield* bar.elapsedMillis) / 1000
    yield* answer({ data_dir: dir, ...note, seconds }, () =>
      [
        `restored ${plural(note.events, "message")} of the log into ${dir} in ${duration(seconds * 1000)}`,
        `  from ${note.log_set} and ${note.keys_set}; the log is in epoch ${note.log_epoch}`,
        "  start it with `maestra hosted up`: devices then send again what the backup does not have"
      ].join("\n"))
  }, Effect.provide(logging(asText)))
).pipe(
  Command.withDescription("Set up a hosted backend from a backup, while none runs"),
  Command.withExamples([{ command: "maestra hosted restore --from /backup/maestra", description: "With the deployment's master key in MAESTRA_MASTER_KEY" }])
)

type Failure = Effect.Error<ReturnType<typeof import("../../../hosted/restore.ts").restoreBackup>> | Effect.Error<ReturnType<typeof import("../../../hosted/cluster/restore.ts").restoreCluster>>

/** Why a backup was not restored, and what is there now. */
export const notRestored = (error: Failure): CliFailure => {
  switch (error._tag) {
    case "RestoreRefused":
      return refused(error.type, error.why, error.hint)
    case "BackupUnusable":
      return failed("backup-unusable", error.why, error.hint)
    case "LogUnavailable":
      return notReachable("not-restored", `the backup was not restored: the nats-servers do not take ${error.stream} now`, "See that all of them run, and their logs; then run it again: it goes on with the stream it was at.")
    default: {
      const { hint, sentence } = notStarted("hosted", error)
      return failed("not-restored", sentence.replace("the hosted backend did not start", "the backup was not restored"), hint)
    }
  }
}
