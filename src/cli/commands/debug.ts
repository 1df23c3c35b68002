import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Row } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { answer } from "../print.ts"

/** `debug`: what somebody helping you will ask for. Holds no content and no secrets. */
export const debug = Command.make(
  "debug",
  {},
  Effect.fn(function*() {
    const { raw } = yield* ask(yield* find("local"), Row, { method: "GET", path: "/debug" })
    yield* answer(raw, () => JSON.stringify(raw, null, 2))
  })
).pipe(Command.withDescription("Everything the local backend knows about its own state, as JSON"))
