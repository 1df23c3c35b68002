import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Told } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"

/** `local resume`: the link is back, and what waited goes out. */
export const resume = Command.make(
  "resume",
  {},
  Effect.fn(function*() {
    const { raw, value } = yield* ask(yield* find("local"), Told, { method: "POST", path: "/resume" })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Link to hosted again after a pause"))
