import * as Command from "effect/cli/Command"
import { erase } from "./privacy/erase.ts"
import { exportAll } from "./privacy/export.ts"
import { preview } from "./privacy/preview.ts"
import { set } from "./privacy/set.ts"
import { show } from "./privacy/show.ts"

/** `privacy …`: what may leave this machine, and what is done with a person's data as a whole. */
export const privacy = Command.make("privacy").pipe(
  Command.withDescription("What may leave this machine"),
  Command.withSubcommands([show, set, preview, exportAll, erase])
)
