import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { failed } from "../failure.ts"
import { answer, lineWidth } from "../print.ts"
import { plural, table } from "../text.ts"
import type { Check } from "../doctor/backends.ts"
import { checkEverything } from "../doctor/everything.ts"

/** `doctor`: everything a backend needs, one line each, with what to do. Changes nothing. Exit 1 if something fails. */
export const doctor = Command.make(
  "doctor",
  {},
  Effect.fn(function*() {
    const { checks, failures } = yield* checkEverything
    yield* answer({ ok: failures.length === 0, checks }, () => page(checks))
    if (failures.length > 0) {
      return yield* failed("unhealthy", `${plural(failures.length, "check")} failed: ${failures.map(({ name }) => name).join(", ")}`, "Each line above says what to do.")
    }
  })
).pipe(Command.withDescription("Look at everything a backend needs, and say what to do"))

const page = (checks: ReadonlyArray<Check>): string =>
  table(checks.flatMap(({ level, name, detail, todo }) => [[level.padEnd(4), name, detail], ...(todo === undefined ? [] : [["", "", `→ ${todo}`]])]), lineWidth())
