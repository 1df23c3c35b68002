import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Stdio from "effect/Stdio"
import { type CliFailure, renderFailure } from "./failure.ts"
import { Json } from "./settings.ts"

export const watchFlag = Flag.Boolean("watch").pipe(Flag.withDescription("Again every second, until Ctrl-C"), Flag.withDefault(false))

const again = "1 second"
/** The screen, and not what lies above it: that is a person's own. */
const clearScreen = "\u001B[H\u001B[2J"

/** Show something once, or every second on a clean screen. A backend that is away is told, and waited for. */
export const watching = <R>(watch: boolean, show: Effect.Effect<void, CliFailure, R>) =>
  Effect.gen(function*() {
    if (!watch) return yield* show
    const stdio = yield* Stdio.Stdio
    const json = yield* Json
    const isScreen = !json && (yield* stdio.stdoutIsTerminal)
    const told = show.pipe(Effect.catch((failure) => failure.kind === "not_reachable" ? Console.log(renderFailure(failure, json)) : Effect.fail(failure)))
    // the last screen stays until the next one is there, whole
    const page = Effect.map(said(told), (text) => isScreen ? `${clearScreen}${text}\n` : json ? `${text}\n` : `${text}\n\n`)
    return yield* page.pipe(
      Effect.map((text) => void process.stdout.write(text)),
      Effect.andThen(Effect.sleep(again)),
      Effect.forever)
  })

/** What an effect prints, instead of printing it. */
const said = <E, R>(show: Effect.Effect<void, E, R>): Effect.Effect<string, E, R> =>
  Effect.gen(function*() {
    const lines: Array<string> = []
    const console = yield* Console.Console
    yield* Effect.provideService(show, Console.Console, { ...console, log: (...words: ReadonlyArray<unknown>) => void lines.push(words.join(" ")) })
    return lines.join("\n")
  })
