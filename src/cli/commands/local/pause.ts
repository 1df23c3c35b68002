import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Told } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"

/** `local pause`: nothing leaves or arrives on this device; work goes on. */
export const pause = Command.make(
  "pause",
  {},
  Effect.fn(function*() {
    const { raw, value } = yield* ask(yield* find("local"), Told, { method: "POST", path: "/pause" })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Cut the link to hosted on this device"))
