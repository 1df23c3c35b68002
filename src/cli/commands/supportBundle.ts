import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Prompt from "effect/cli/Prompt"
import * as Stdio from "effect/Stdio"
import { randomBytes } from "node:crypto"
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import { isoTime } from "../../../streams/time.ts"
import { Row } from "../answers.ts"
import { findIn, runningIn } from "../backend.ts"
import { ask } from "../call.ts"
import { checkEverything } from "../doctor/everything.ts"
import { misused } from "../failure.ts"
import { note } from "../print.ts"
import { writeWhole } from "../serving/folder.ts"
import { type Side, sideDir } from "../settings.ts"
import { allowed, only } from "../support/bundle.ts"

/** What a running backend is asked for the bundle. */
const questions = { local: { status: "/status", peers: "/sync/metrics", alerts: "/alerts", checks: "/checks", debug: "/debug" }, hosted: { status: "/status", peers: "/sync/metrics", alerts: "/alerts", checks: "/checks" } } as const

/** `support-bundle`: what somebody who helps needs to see, and nothing else. Shown first; saved only when told. */
export const supportBundle = Command.make(
  "support-bundle",
  {
    out: Flag.String("out").pipe(Flag.withDescription("File to save it in, once it was shown"), Flag.optional),
    yes: Flag.Boolean("yes").pipe(Flag.withDescription("Save without asking"), Flag.withDefault(false))
  },
  Effect.fn(function*({ out, yes }) {
    const { checks } = yield* checkEverything
    const sides = yield* Effect.forEach(["local", "hosted"] as const, sideOf)
    const document = {
      made_at: isoTime(yield* Clock.currentTimeMillis),
      versions: { node: process.versions.node, platform: process.platform, arch: process.arch },
      doctor: checks,
      sides: sides.flatMap((side) => side === undefined ? [] : [side])
    }
    const text = JSON.stringify(only(document, allowed, randomBytes(32)), null, 2)
    yield* Console.log(text)
    if (Option.isNone(out)) return yield* note("This is all of it. `--out FILE` saves it; ids are hashed, and nothing you wrote is in it.")
    const file = resolve(out.value)
    if (existsSync(file)) return yield* misused("file-exists", `${file} exists`, "Choose another name; nothing was written.")
    const isAsked = !yes && (yield* (yield* Stdio.Stdio).stdinIsTerminal)
    if (!yes && !isAsked) return yield* misused("not-confirmed", "nobody is there to say yes", "Look at it above, then run it again with --yes; nothing was written.")
    if (isAsked && !(yield* Prompt.run(Prompt.Confirm({ message: `Save this as ${file}?` })).pipe(Effect.orElseSucceed(() => false)))) return yield* note("Not saved.")
    yield* writeWhole(file, `${text}\n`)
    yield* note(`Saved as ${file}.`)
  })
).pipe(
  Command.withDescription("What somebody helping you needs to see: shown first, ids hashed, nothing you wrote"),
  Command.withExamples([{ command: "maestra support-bundle --out bundle.json", description: "Look at it, then save it" }])
)

const sideOf = Effect.fnUntraced(function*(side: Side) {
  const dir = yield* sideDir(side)
  if (Option.isNone(yield* runningIn(dir))) return undefined
  return yield* Effect.gen(function*() {
    const backend = yield* findIn(side, dir)
    const answers: Record<string, unknown> = { side }
    for (const [name, path] of Object.entries(questions[side])) {
      const { value } = yield* ask(backend, Row, { method: "GET", path })
      // lists come under their own name
      answers[name] = value[name] ?? value
    }
    return answers
  }).pipe(Effect.catchTag("CliFailure", ({ sentence }) => Effect.succeed<Record<string, unknown>>({ side, error: sentence })))
})
