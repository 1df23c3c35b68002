import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Conversation } from "../answers.ts"
import { reading, where } from "../backend.ts"
import { ask, segment } from "../call.ts"
import { answer } from "../print.ts"
import { onlyHere, plain, plural, time } from "../text.ts"

/** `show CONV`: a conversation as a reader sees it. */
export const show = Command.make(
  "show",
  { ...where, conversation: Argument.String("conversation") },
  Effect.fn(function*(flags) {
    const path = `/conversations/${yield* segment(flags.conversation)}`
    const { raw, value } = yield* ask(yield* reading(flags), Conversation, { method: "GET", path })
    yield* answer(raw, () => page(value))
  })
).pipe(Command.withDescription("A conversation and how far each message has come"))

const page = (conversation: typeof Conversation.Type): string =>
  [
    `${plain(conversation.title ?? conversation.conversation_id)}  (${conversation.conversation_id}, ${plural(conversation.messages.length, "message")}, version ${conversation.version})`,
    ...conversation.messages.map((message) => {
      const facts = [plain(message.role), time(message.timestamp ?? ""), message.surface, message.withheld == null ? message.tier : onlyHere(message.withheld), plain(message.id)]
      return `\n${facts.filter((fact) => fact !== undefined && fact !== null && fact !== "").join(" · ")}\n  ${plain(message.content).replaceAll("\n", "\n  ")}`
    })
  ].join("\n")
