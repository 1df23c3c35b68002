import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { Enrolled } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { Json } from "../../settings.ts"
import { qrCode, time } from "../../text.ts"

/** `hosted enroll USER`: makes the user's tenant once; a one-time pairing code for one more device each time. */
export const enroll = Command.make(
  "enroll",
  { user: Argument.String("user").pipe(Argument.withDescription("Who the device belongs to")) },
  Effect.fn(function*({ user }) {
    const { raw, value } = yield* ask(yield* find("hosted"), Enrolled, { method: "POST", path: "/enroll", body: { user } })
    const stdio = yield* Stdio.Stdio
    const withPicture = (yield* stdio.stdoutIsTerminal) && !(yield* Json)
    const picture = withPicture ? yield* Effect.promise(() => qrCode(value.code)) : ""
    yield* answer(raw, () =>
      [
        `one more device of ${user} may join, until ${time(value.expires_at)} UTC:`,
        "",
        value.code,
        "",
        ...(picture === "" ? [] : [picture]),
        "on that device:  npx maestra local pair -    (then paste the code and press Ctrl-D)",
        "The code is a secret and good once."
      ].join("\n"))
  })
).pipe(
  Command.withDescription("A one-time pairing code for one more device of a user"),
  Command.withExamples([{ command: "maestra hosted enroll ada --json", description: "{code, user_id, tenant, expires_at}" }])
)
