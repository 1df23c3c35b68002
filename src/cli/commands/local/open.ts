import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { CompanionCode } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { Json } from "../../settings.ts"
import { qrCode, time } from "../../text.ts"

/**
 * `local open`: the local backend's address for a browser, with a one-time code in its fragment that makes the page a
 * companion of this machine. Where it is not paired yet, there is nothing to be a companion of: the bare address.
 */
export const open = Command.make(
  "open",
  {},
  Effect.fn(function*() {
    const backend = yield* find("local")
    const made = yield* ask(backend, CompanionCode, { method: "POST", path: "/companion-codes" }).pipe(
      Effect.catchIf(({ type }) => type.endsWith("not-paired"), () => Effect.undefined))
    if (made === undefined) return yield* answer({ url: `${backend.url}/` }, () => `${backend.url}/`)
    const { raw, value } = made
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
