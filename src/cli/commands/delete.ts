import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { segment } from "../call.ts"
import { ifMatch, ifVersion, write, writeFlags } from "../writing.ts"

/** `delete CONV [MSG]`: a deletion is a write like any other; `restore` brings a message back. */
export const remove = Command.make(
  "delete",
  {
    ...writeFlags,
    ...ifVersion,
    conversation: Argument.String("conversation"),
    message: Argument.String("message").pipe(Argument.withDescription("Only this message; the whole conversation without it"), Argument.optional)
  },
  Effect.fn(function*(flags) {
    const conversation = `/conversations/${yield* segment(flags.conversation)}`
    const path = Option.isNone(flags.message) ? conversation : `${conversation}/messages/${yield* segment(flags.message.value)}`
    yield* write(
      flags,
      { method: "DELETE", path, query: { surface: "cli" }, headers: ifMatch(flags.ifVersion) },
      () => Option.match(flags.message, {
        onNone: () => `deleted conversation ${flags.conversation}`,
        onSome: (message) => `deleted ${message} in ${flags.conversation}; \`maestra history ${flags.conversation} ${message}\` shows what it was`
      })
    )
  })
).pipe(
  Command.withDescription("Delete a message or a conversation"),
  Command.withExamples([{ command: "maestra delete groceries m1", description: "Delete one message" }])
)
