import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { hostname } from "node:os"
import { resolve } from "node:path"
import { madeLayout } from "../../../hosted/cluster/layout.ts"
import { clusterDir, hostFlag, layoutOn, notAsked } from "../../clusterPlace.ts"
import { failed } from "../../failure.ts"
import { commandPrefix } from "../../prefix.ts"
import { answer } from "../../print.ts"
import { progressBar } from "../../progress.ts"
import { prepareFolder } from "../../serving/folder.ts"
import { asText, logging, logLine } from "../../serving/serve.ts"
import { duration, plural } from "../../text.ts"
import { backupFlags, save } from "./backup.ts"
import { notRestored, restoreFlags } from "./restore.ts"

/** `hosted cluster backup --out DIR`: where the cluster was made, while everything runs. */
export const clusterBackup = Command.make(
  "backup",
  backupFlags,
  Effect.fn(function*({ keysOnly, out }) {
    const dir = yield* clusterDir
    const { connectTo } = yield* Effect.promise(() => import("../../../hosted/cluster/connecting.ts"))
    const { openClusterBackup } = yield* Effect.promise(() => import("../../../hosted/cluster/backup.ts"))
    const layout = yield* madeLayout(dir).pipe(Effect.mapError(({ hint, why }) => failed("no-cluster", why, hint)))
    const { noteBackup } = yield* Effect.promise(() => import("../../../hosted/knownBackups.ts"))
    yield* noteBackup(dir, { folder: resolve(out), host: hostname() })
    const { deployment, wire } = yield* connectTo(dir, layout, "cluster backup").pipe(Effect.mapError(notAsked("nothing was saved")))
    const { part, plan } = yield* openClusterBackup(dir, wire, deployment, layout).pipe(Effect.mapError(notAsked("nothing was saved")))
    yield* save({ out, plan: yield* plan.pipe(Effect.mapError(notAsked("nothing was saved"))), keysOnly, part: (name) => Stream.mapError(part(name), notAsked("nothing was saved")) })
  }, Effect.scoped, Effect.provide(logging(asText)))
).pipe(
  Command.withDescription("Back up a cluster: all partitions, the tenant store and the deployment; nothing stops meanwhile"),
  Command.withExamples([{ command: "maestra hosted cluster backup --out /backup/maestra", description: "Needs the cluster's folder and MAESTRA_MASTER_KEY; the key is not in the backup" }])
)

/** `hosted cluster restore --from DIR`: a new cluster from the backup of another, or of one server. Safe to repeat, whatever stopped it. */
export const clusterRestore = Command.make(
  "restore",
  { ...restoreFlags, host: hostFlag },
  Effect.fn(function*({ from, host, logSet, replace }) {
    const dir = yield* clusterDir
    yield* prepareFolder(dir)
    const wanted = yield* layoutOn(host)
    const { restoreCluster } = yield* Effect.promise(() => import("../../../hosted/cluster/restore.ts"))
    const bar = yield* progressBar("restoring")
    const made = yield* restoreCluster({
      dir, wanted, replace,
      from: resolve(from),
      logSet: Option.getOrUndefined(logSet),
      told: (what, at, of) => bar.show({ at, of, done: Math.round(at / 1024), unit: `KiB ${what === "checking" ? "checked" : "restored"}` }),
      onProgress: logLine
    }).pipe(Effect.mapError((error) => notRestored(error)), Effect.ensuring(bar.clear))
    const seconds = (yield* bar.elapsedMillis) / 1000
    const maestra = yield* commandPrefix
    yield* answer({ dir, ...made, seconds }, () =>
      [
        `restored ${plural(made.events, "message")} of the log into the cluster of ${dir} in ${duration(seconds * 1000)}`,
        `  from ${made.log_set} and ${made.keys_set}; the log is in epoch ${made.log_epoch}`,
        `  next: ${maestra} hosted cluster up, then the hosted processes with its cluster.json; devices send again what the backup does not have`
      ].join("\n"))
  }, Effect.provide(logging(asText)))
).pipe(
  Command.withDescription("Make a cluster from the backup of another, or of a hub of one server, while no hosted process runs"),
  Command.withExamples([{ command: "maestra hosted cluster restore --from /backup/maestra --data-dir /srv/new", description: "With the deployment's master key in MAESTRA_MASTER_KEY" }])
)
