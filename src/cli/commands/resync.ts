import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import { Told } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { answer } from "../print.ts"

/** `resync`: make the connection, the consumer and the local copy anew. Loses nothing. */
export const resync = Command.make(
  "resync",
  { withheld: Flag.Boolean("withheld").pipe(Flag.withDescription("Also send what an earlier setting kept on this machine"), Flag.withDefault(false)) },
  Effect.fn(function*({ withheld }) {
    const { raw, value } = yield* ask(yield* find("local"), Told, {
      method: "POST",
      path: "/resync",
      body: { withheld },
      timeoutMillis: 180_000
    })
    yield* answer(raw, () => value.sentence)
  })
).pipe(Command.withDescription("Connect anew and fetch the local copy again where it has gaps; loses nothing"))
