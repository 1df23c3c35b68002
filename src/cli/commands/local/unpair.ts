import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Told } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"

/** `local unpair`: stop replicating with hosted. Conversations stay on both sides. */
export const unpair = Command.make(
  "unpair",
  {},
  Effect.fn(function*() {
    const { raw, value } = yield* ask(yield* find("local"), Told, { method: "POST", path: "/unpair" })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Leave the hosted backend; conversations stay on both sides"))
