import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { find } from "../backend.ts"
import { watchFlag, watching } from "../watching.ts"
import { hostedStatus } from "./hosted/status.ts"
import { localStatus } from "./local/status.ts"

/** `status`: the one sentence about a backend, and the figures behind it. Exit 0 also when behind, so scripts can poll it. */
export const status = Command.make(
  "status",
  {
    watch: watchFlag,
    on: Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine"), Flag.withDefault("local"))
  },
  Effect.fn(function*({ on, watch }) {
    yield* watching(watch, Effect.flatMap(find(on), (backend) => on === "local" ? localStatus(backend) : hostedStatus(backend)))
  })
).pipe(
  Command.withDescription("In step, sending, receiving, offline, paused — or what it needs from you"),
  Command.withExamples([{ command: "maestra status --json", description: "{state, sentence, pending, behind, …}" }])
)
