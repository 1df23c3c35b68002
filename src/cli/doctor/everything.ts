import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { sideDir } from "../settings.ts"
import { checkBackends } from "./backends.ts"
import { checkDisk, checkMachine } from "./machine.ts"

/** Every check there is, of this machine and of the backends of this data directory. Changes nothing. */
export const checkEverything = Effect.gen(function*() {
  const dirs = { local: yield* sideDir("local"), hosted: yield* sideDir("hosted") }
  const hostedDisk = existsSync(dirs.hosted) ? [yield* checkDisk(dirs.hosted, "hosted disk")] : []
  const checks = [...yield* checkMachine(dirs), ...hostedDisk, ...yield* checkBackends(dirs)]
  return { checks, failures: checks.filter(({ level }) => level === "fail") }
})
