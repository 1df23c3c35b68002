import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Paired } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { secretOrStdin } from "../../input.ts"
import { answer } from "../../print.ts"

/** `local pair CODE`: join a hosted backend. The code is a secret; `-` reads it from stdin, out of sight of `ps`. */
export const pair = Command.make(
  "pair",
  { code: Argument.String("code").pipe(Argument.withDescription("From `maestra hosted enroll USER`, or - to read it from stdin")) },
  Effect.fn(function*(given) {
    const backend = yield* find("local")
    const code = yield* secretOrStdin(given.code, "pairing code")
    const { raw, value } = yield* ask(backend, Paired, { method: "POST", path: "/pair", body: { code } })
    yield* answer(raw, () => `paired as ${value.peer_id}; what is here goes out now, and what is there comes in. \`maestra status\` says when both are in step.`)
  })
).pipe(
  Command.withDescription("Join a hosted backend with a one-time code"),
  Command.withExamples([{ command: "maestra local pair - < code.txt", description: "The code from stdin" }])
)
