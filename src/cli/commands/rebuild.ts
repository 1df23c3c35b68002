import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { find } from "../backend.ts"
import { follow } from "../following.ts"
import { answer } from "../print.ts"
import { duration, plural } from "../text.ts"

/** `rebuild`: build what is shown from the logs again. Loses nothing: the logs are the truth. */
export const rebuild = Command.make(
  "rebuild",
  { on: Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine"), Flag.withDefault("local")) },
  Effect.fn(function*({ on }) {
    const { at, result, seconds } = yield* follow(yield* find(on), "rebuilding", { method: "POST", path: "/rebuild" })
    yield* answer({ events: at, seconds, ...result }, () => `rebuilt from ${plural(at, "event")} in ${duration(seconds * 1000)}`)
  })
).pipe(Command.withDescription("Build everything that is shown from the logs again"))
