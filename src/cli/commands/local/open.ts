import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Stdio from "effect/Stdio"
import { CompanionCode } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { Json } from "../../settings.ts"
import { qrCode, time } from "../../text.ts"

/**
 * `local open`: the local backend's address for a browser, with a one-time code in its fragment that lets the page in as
 * the person at this machine, or as a companion. `--companion`: as a companion only, which needs a paired machine.
 */
export const open = Command.make(
  "open",
  { companion: Flag.Boolean("companion").pipe(Flag.withDescription("For a phone's app or an extension: it may only become a companion"), Flag.withDefault(false)) },
  Effect.fn(function*({ companion }) {
    const backend = yield* find("local")
    const { raw, value } = yield* ask(backend, CompanionCode, { method: "POST", path: "/companion-codes", body: { owner: !companion } })
    const stdio = yield* Stdio.Stdio
    const withPicture = (yield* stdio.stdoutIsTerminal) && !(yield* Json)
    const picture = withPicture ? yield* Effect.promise(() => qrCode(value.url)) : ""
    yield* answer(raw, () =>
      [
        value.url,
        "",
        ...(picture === "" ? [] : [picture]),
        `The code in it is a secret, good once and until ${time(value.expires_at)} UTC.`
      ].join("\n"))
  })
).pipe(
  Command.withDescription("A URL that lets a browser or an app on this machine in, with a one-time code"),
  Command.withExamples([{ command: "maestra local open --json", description: "{code, url, expires_at}" }])
)
