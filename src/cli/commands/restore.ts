import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { segment } from "../call.ts"
import { write, writeFlags } from "../writing.ts"

/** `restore CONV MSG EVENT`: write an earlier value again, on top of everything seen. Settles a conflict. */
export const restore = Command.make(
  "restore",
  {
    ...writeFlags,
    conversation: Argument.String("conversation"),
    message: Argument.String("message"),
    event: Argument.String("event").pipe(Argument.withDescription("Id of the event to bring back, as `maestra history` or `maestra conflicts` gives it"))
  },
  Effect.fn(function*(flags) {
    yield* write(
      flags,
      {
        method: "POST",
        path: `/conversations/${yield* segment(flags.conversation)}/messages/${yield* segment(flags.message)}/restore`,
        body: { event_id: flags.event, surface: "cli" }
      },
      () => `restored ${flags.message} in ${flags.conversation}`
    )
  })
).pipe(
  Command.withDescription("Bring back what a message said before, or the loser of a conflict"),
  Command.withExamples([{ command: "maestra restore groceries m1 01932f5e-…", description: "The event id is in `maestra history groceries m1`" }])
)
