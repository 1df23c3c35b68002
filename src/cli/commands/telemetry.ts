import * as Command from "effect/cli/Command"
import { emit } from "./telemetry/emit.ts"
import { list } from "./telemetry/list.ts"

/** `telemetry …`: what happened, how long it took, what it cost. */
export const telemetry = Command.make("telemetry").pipe(
  Command.withDescription("What happened, how long it took, what it cost"),
  Command.withSubcommands([emit, list])
)
