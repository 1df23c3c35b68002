import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { Row } from "../../answers.ts"
import { type Backend, find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { alarms, askAlerts } from "../local/status.ts"
import { facts } from "../../rows.ts"

/** Ask the hosted backend how it is, and say so. */
export const hostedStatus = Effect.fnUntraced(function*(backend: Backend) {
  const { raw, value } = yield* ask(backend, Row, { method: "GET", path: "/status" })
  const wrong = yield* askAlerts(backend)
  yield* answer(raw, () => facts({ ...value, here: backend.url }) + alarms(wrong))
})

/** `hosted status`, the same as `status --on hosted`. */
export const status = Command.make(
  "status",
  {},
  Effect.fn(function*() {
    yield* hostedStatus(yield* find("hosted"))
  })
).pipe(Command.withDescription("How the hosted backend on this machine is"))
