import * as Command from "effect/cli/Command"
import { confirm } from "./local/confirm.ts"
import { lock } from "./lock.ts"
import { open } from "./local/open.ts"
import { pair } from "./local/pair.ts"
import { pause } from "./local/pause.ts"
import { peers } from "./local/peers.ts"
import { resume } from "./local/resume.ts"
import { status } from "./local/status.ts"
import { unpair } from "./local/unpair.ts"
import { up } from "./local/up.ts"

/** `local …`: the backend on this machine. */
export const local = Command.make("local").pipe(
  Command.withDescription("The backend on this machine"),
  Command.withSubcommands([up, pair, unpair, status, pause, resume, peers, confirm, open, lock("local")])
)
