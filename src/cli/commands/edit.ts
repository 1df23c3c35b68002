import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { segment } from "../call.ts"
import { textOrStdin } from "../input.ts"
import { ifMatch, ifVersion, write, writeFlags } from "../writing.ts"

/** `edit CONV MSG TEXT`: the text before stays in the message's history. */
export const edit = Command.make(
  "edit",
  {
    ...writeFlags,
    ...ifVersion,
    conversation: Argument.String("conversation"),
    message: Argument.String("message").pipe(Argument.withDescription("Id of the message, as `maestra show` gives it")),
    text: Argument.String("text").pipe(Argument.withDescription("The new text, or - to read it from stdin"))
  },
  Effect.fn(function*(flags) {
    const path = `/conversations/${yield* segment(flags.conversation)}/messages/${yield* segment(flags.message)}`
    const content = yield* textOrStdin(flags.text)
    yield* write(
      flags,
      { method: "PUT", path, body: { content, surface: "cli" }, headers: ifMatch(flags.ifVersion) },
      () => `edited ${flags.message} in ${flags.conversation}`
    )
  })
).pipe(
  Command.withDescription("Change a message; the text before stays in its history"),
  Command.withExamples([{ command: 'maestra edit groceries m1 "buy oat milk"', description: "Replace a text" }])
)
