import * as Command from "effect/cli/Command"
import { alerts } from "./commands/alerts.ts"
import { advisor } from "./commands/advisor.ts"
import { conflicts } from "./commands/conflicts.ts"
import { debug } from "./commands/debug.ts"
import { remove } from "./commands/delete.ts"
import { demo } from "./commands/demo.ts"
import { doctor } from "./commands/doctor.ts"
import { edit } from "./commands/edit.ts"
import { exportCommand } from "./commands/export.ts"
import { history } from "./commands/history.ts"
import { hosted } from "./commands/hosted.ts"
import { importCommand } from "./commands/import.ts"
import { keys } from "./commands/keys.ts"
import { search } from "./commands/search.ts"
import { list } from "./commands/list.ts"
import { local } from "./commands/local.ts"
import { privacy } from "./commands/privacy.ts"
import { audit } from "./commands/audit.ts"
import { rebuild } from "./commands/rebuild.ts"
import { restore } from "./commands/restore.ts"
import { resync } from "./commands/resync.ts"
import { send } from "./commands/send.ts"
import { show } from "./commands/show.ts"
import { status } from "./commands/status.ts"
import { subscribe } from "./commands/subscribe.ts"
import { supportBundle } from "./commands/supportBundle.ts"
import { telemetry } from "./commands/telemetry.ts"
import { tools } from "./commands/tools.ts"
import { verify } from "./commands/verify.ts"
import { DataDir, Json } from "./settings.ts"

/** The whole command line. */
export const maestra = Command.make("maestra").pipe(
  Command.withDescription("Your assistant conversations, on your machines and in the cloud, in step"),
  Command.withSubcommands([
    { group: "Start here", commands: [demo, status, doctor] },
    { group: "Conversations", commands: [send, edit, remove, list, search, show, history, conflicts, restore, importCommand, exportCommand, subscribe, advisor] },
    { group: "Backends", commands: [local, hosted] },
    { group: "Upkeep", commands: [privacy, verify, audit, alerts, resync, rebuild, debug, supportBundle, keys, telemetry, tools] }
  ]),
  Command.withGlobalFlags([Json, DataDir])
)
