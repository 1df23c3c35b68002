import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { segment } from "../call.ts"
import { textOrStdin } from "../input.ts"
import { write, writeFlags } from "../writing.ts"

/** `send CONV TEXT`: append a message; the first one makes the conversation. */
export const send = Command.make(
  "send",
  {
    ...writeFlags,
    conversation: Argument.String("conversation").pipe(Argument.withDescription("Id of the conversation; a new id starts one")),
    text: Argument.String("text").pipe(Argument.withDescription("The message, or - to read it from stdin")),
    role: Flag.String("role").pipe(Flag.withDescription("user, assistant, …"), Flag.withDefault("user")),
    id: Flag.String("id").pipe(Flag.withDescription("Id of the message, so that repeating the command adds nothing"), Flag.optional)
  },
  Effect.fn(function*(flags) {
    const conversation = yield* segment(flags.conversation)
    const content = yield* textOrStdin(flags.text)
    yield* write(
      flags,
      {
        method: "POST",
        path: `/conversations/${conversation}/messages`,
        body: { role: flags.role, content, surface: "cli", ...Option.match(flags.id, { onNone: () => ({}), onSome: (id) => ({ id }) }) }
      },
      (wrote) => `sent to ${flags.conversation}${wrote.message === undefined ? "" : ` as ${wrote.message.id}`}`
    )
  })
).pipe(
  Command.withDescription("Write a message"),
  Command.withExamples([
    { command: 'maestra send groceries "buy milk"', description: "Append to a conversation" },
    { command: "git diff | maestra send review - --wait everywhere", description: "From stdin, and wait until every device has it" }
  ])
)
