import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { Advice, Told } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { textOrStdin } from "../input.ts"
import { answer } from "../print.ts"
import { plain } from "../text.ts"

/** A large model thinks for minutes. */
const patienceMillis = 360_000

/** `advisor ask QUESTION`: the model server of MAESTRA_ADVISOR_URL; question and answer become messages. */
const question = Command.make(
  "ask",
  {
    question: Argument.String("question").pipe(Argument.withDescription("The question, or - to read it from stdin")),
    conversation: Flag.String("conversation").pipe(Flag.withDescription("Go on in this conversation; a new one without it"), Flag.optional),
    model: Flag.String("model").pipe(Flag.withDescription("Another model than the one of the settings"), Flag.optional)
  },
  Effect.fn(function*(flags) {
    const { raw, value } = yield* ask(yield* find("local"), Advice, {
      method: "POST",
      path: "/api/maestra/advisor/ask",
      timeoutMillis: patienceMillis,
      body: {
        question: yield* textOrStdin(flags.question),
        surface: "cli",
        ...Option.match(flags.conversation, { onNone: () => ({}), onSome: (conversation_id) => ({ conversation_id }) }),
        ...Option.match(flags.model, { onNone: () => ({}), onSome: (model) => ({ model }) })
      }
    })
    yield* answer(raw, () => `${plain(value.content)}\n\n(conversation ${value.conversation_id})`)
  })
).pipe(Command.withDescription("Ask the model server"))

/** `advisor key -`: the model server's key, from stdin into the keychain. */
const key = Command.make(
  "key",
  { key: Argument.String("key").pipe(Argument.withDescription("- reads it from stdin, so that no list of processes shows it; empty removes it")) },
  Effect.fn(function*(given) {
    const { raw, value } = yield* ask(yield* find("local"), Told, { method: "PUT", path: "/api/maestra/advisor/key", body: { key: (yield* textOrStdin(given.key)).trim() } })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Keep the model server's key in the keychain"))

/** `advisor …`: a model server that answers questions inside conversations. */
export const advisor = Command.make("advisor").pipe(
  Command.withDescription("Questions to a model server; question and answer become messages"),
  Command.withSubcommands([question, key])
)
