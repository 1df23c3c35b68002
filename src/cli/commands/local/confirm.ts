import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Told } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask, segment } from "../../call.ts"
import { answer } from "../../print.ts"

/** `local confirm PEER`: "this new device is mine", seen on every device. */
export const confirm = Command.make(
  "confirm",
  { peer: Argument.String("peer").pipe(Argument.withDescription("As `maestra local peers` shows it")) },
  Effect.fn(function*({ peer }) {
    const { raw, value } = yield* ask(yield* find("local"), Told, { method: "POST", path: `/peers/${yield* segment(peer)}/confirm` })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Say that a new device is yours"))
