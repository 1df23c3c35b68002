import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { Told } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask, segment } from "../../call.ts"
import { answer } from "../../print.ts"

/** `hosted revoke PEER`: its secret is destroyed and nothing flows any more; what it wrote stays. */
export const revoke = Command.make(
  "revoke",
  {
    peer: Argument.String("peer").pipe(Argument.withDescription("As `maestra hosted peers` shows it")),
    cause: Flag.Literals("cause", ["requested", "lost", "compromised"]).pipe(Flag.withDescription("Kept in the log"), Flag.withDefault("requested"))
  },
  Effect.fn(function*({ peer, cause }) {
    const { raw, value } = yield* ask(yield* find("hosted"), Told, { method: "DELETE", path: `/peers/${yield* segment(peer)}`, query: { cause } })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Shut a device out for good"))
