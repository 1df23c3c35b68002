import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { find } from "../../backend.ts"
import { answer } from "../../print.ts"

/** `local open`: where the local backend listens, for a browser. */
export const open = Command.make(
  "open",
  {},
  Effect.fn(function*() {
    const { url } = yield* find("local")
    yield* answer({ url: `${url}/` }, () => `${url}/`)
  })
).pipe(Command.withDescription("Print the URL of the local backend"))
