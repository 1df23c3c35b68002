import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { sideDir } from "../settings.ts"
import { failed } from "../failure.ts"
import { answer } from "../print.ts"
import { plural, table } from "../text.ts"
import { type Check, checkBackends } from "../doctor/backends.ts"
import { checkDisk, checkMachine } from "../doctor/machine.ts"

/** `doctor`: everything a backend needs, one line each, with what to do. Changes nothing. Exit 1 if something fails. */
export const doctor = Command.make(
  "doctor",
  {},
  Effect.fn(function*() {
    const dirs = { local: yield* sideDir("local"), hosted: yield* sideDir("hosted") }
    const hostedDisk = existsSync(dirs.hosted) ? [yield* checkDisk(dirs.hosted, "hosted disk")] : []
    const checks = [...yield* checkMachine(dirs.local), ...hostedDisk, ...yield* checkBackends(dirs)]
    const failures = checks.filter(({ level }) => level === "fail")
    yield* answer({ ok: failures.length === 0, checks }, () => page(checks))
    if (failures.length > 0) {
      return yield* failed("unhealthy", `${plural(failures.length, "check")} failed: ${failures.map(({ name }) => name).join(", ")}`, "Each line above says what to do.")
    }
  })
).pipe(Command.withDescription("Look at everything a backend needs, and say what to do"))

const page = (checks: ReadonlyArray<Check>): string =>
  table(checks.flatMap(({ level, name, detail, todo }) => [[level.padEnd(4), name, detail], ...(todo === undefined ? [] : [["", "", `→ ${todo}`]])]))
