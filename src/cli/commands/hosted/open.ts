import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { OperatorCode } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { time } from "../../text.ts"

/**
 * `hosted open`: the hosted backend's address for an operator's browser, with a one-time code in its fragment. The page
 * gets a session of the scope this command asks with; no token is pasted, and none is in an address.
 */
export const open = Command.make("open", {}, Effect.fn(function*() {
  const backend = yield* find("hosted")
  const { value } = yield* ask(backend, OperatorCode, { method: "POST", path: "/operator-codes" })
  const at = (base: string) => `${new URL(base).origin}/#code=${value.code}`
  const [url, public_url] = [at(backend.url), at(value.public_url)]
  yield* answer({ code: value.code, url, public_url, expires_at: value.expires_at }, () =>
    [
      url,
      ...(public_url === url ? [] : ["", "on another machine:", public_url]),
      "",
      `The code in it is a secret, good once and until ${time(value.expires_at)} UTC.`
    ].join("\n"))
})).pipe(
  Command.withDescription("A URL that lets an operator's browser in, with a one-time code"),
  Command.withExamples([{ command: "maestra hosted open --json", description: "{code, url, public_url, expires_at}" }])
)
