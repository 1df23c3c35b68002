import * as Command from "effect/cli/Command"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import type * as Stream from "effect/Stream"
import { hostname } from "node:os"
import { resolve } from "node:path"
import { BackupPlan, BackupRow } from "../../../../streams/Backup.ts"
import { find } from "../../backend.ts"
import { ask, lines, segment } from "../../call.ts"
import { type CliFailure, failed } from "../../failure.ts"
import { answer } from "../../print.ts"
import { progressBar } from "../../progress.ts"
import { size } from "../../../../streams/size.ts"
import { duration } from "../../text.ts"

/** A part can be silent before its first line: the server packs a stream first. */
const partTimeoutMillis = 600_000

/** Of a backup, of one server or of a cluster. */
export const backupFlags = {
  out: Flag.String("out").pipe(Flag.withDescription("Folder of this deployment's backups; made if it is not there")),
  keysOnly: Flag.Boolean("keys-only").pipe(
    Flag.withDescription("Only the tenant store and the deployment: after a revocation or an erasure, so that no older copy is left"),
    Flag.withDefault(false)
  )
}

/** Write what is sent into the folder, and say what was written. */
export const save = Effect.fnUntraced(function*(order: { readonly out: string; readonly plan: BackupPlan; readonly part: (name: string) => Stream.Stream<BackupRow, CliFailure>; readonly keysOnly: boolean }) {
  const folder = resolve(order.out)
  const { writeBackup } = yield* Effect.promise(() => import("../../../hosted/writeBackup.ts"))
  const bar = yield* progressBar("backing up")
  const made = yield* writeBackup({
    ...order,
    out: folder,
    time: DateTime.formatIso(yield* DateTime.now),
    told: (name, at, of) => bar.show({ at, of: Math.max(at, of), done: Math.round(at / 1024), unit: `KiB of ${name}` })
  }).pipe(
    Effect.catchTag("BackupFailed", ({ hint, why }) => Effect.fail(failed("backup-incomplete", `the backup is not complete: ${why}`, hint))),
    Effect.ensuring(bar.clear)
  )
  const seconds = (yield* bar.elapsedMillis) / 1000
  yield* answer({ out: folder, ...made, seconds }, () =>
    `backed up ${size(made.bytes)} to ${folder} (${made.sets.join(", ")}) in ${duration(seconds * 1000)}\n  the master key is not in it: without it nobody, you included, can restore`)
})

/** `hosted backup --out DIR`: everything a new machine needs but the master key, while the backend runs. */
export const backup = Command.make(
  "backup",
  backupFlags,
  Effect.fn(function*({ keysOnly, out }) {
    const backend = yield* find("hosted")
    const { value: plan } = yield* ask(backend, BackupPlan, { method: "GET", path: `/backup?${new URLSearchParams({ folder: resolve(out), host: hostname() })}` })
    const part = (name: string) => lines(backend, BackupRow, { method: "GET", path: `/backup/${name}`, timeoutMillis: partTimeoutMillis })
    for (const { name } of plan.parts) yield* segment(name)
    yield* save({ out, plan, part, keysOnly })
  })
).pipe(
  Command.withDescription("Back up the running hosted backend; nothing stops meanwhile"),
  Command.withExamples([{ command: "maestra hosted backup --out /backup/maestra", description: "A new log-… folder at each run, and the newest keys-… only" }])
)
