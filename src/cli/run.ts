import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as MutableRef from "effect/MutableRef"
import * as Option from "effect/Option"
import { version } from "../../streams/version.ts"
import { CliFailure, exitCodes, misused, renderFailure } from "./failure.ts"
import { maestra } from "./root.ts"
import { SignalExit } from "./serving/serve.ts"

/** Run the command line of this process and end it with the right exit code. */
export const run = (): void => {
  const args = process.argv.slice(2)
  const json = args.includes("--json")
  const signalExit = MutableRef.make(130)
  quietPipes(signalExit)
  const program = Command.runWith(maestra, { version })(args).pipe(
    Effect.catchTag("ShowHelp", (help) => helpWasAsked(help, args) ? Effect.void : Effect.fail(misused("usage", "", ""))),
    Effect.tapCause((cause) => complain(cause, json)),
    Effect.provide(Layer.mergeAll(NodeServices.layer, presenter(json), builtIns)),
    Effect.provideService(SignalExit, signalExit)
  )
  NodeRuntime.runMain(program, {
    disableErrorReporting: true,
    teardown: (exit, onExit) => onExit(codeOf(exit, MutableRef.get(signalExit)))
  })
}

/**
 * `maestra … | head` ends when head does, without a word, like any tool in a pipe; a backend that is cut off
 * from its reader stops cleanly. Nobody reading stderr is no reason to stop.
 */
const quietPipes = (signalExit: MutableRef.MutableRef<number>): void => {
  process.stderr.on("error", () => {})
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error
    MutableRef.set(signalExit, 0)
    // while the program runs, a signal unwinds it; after its end there is nothing to unwind
    if (process.listenerCount("SIGTERM") > 0) process.kill(process.pid, "SIGTERM")
  })
}

/** `maestra` alone shows its help and is content; half a command (`maestra local`) is a mistake. */
const helpWasAsked = (help: CliError.ShowHelp, args: ReadonlyArray<string>): boolean => help.errors.length === 0 && args.length === 0

/** Failures on stderr, once; what nobody foresaw with its cause, so that it can be reported. */
const complain = (cause: Cause.Cause<unknown>, json: boolean) => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.void
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  if (error instanceof CliFailure) return error.sentence === "" ? Effect.void : Console.error(renderFailure(error, json))
  return Console.error(`maestra: something broke that should not have\n${Cause.pretty(cause)}`)
}

const codeOf = (exit: Exit.Exit<unknown, unknown>, onSignal: number): number => {
  if (Exit.isSuccess(exit)) return 0
  if (Cause.hasInterruptsOnly(exit.cause)) return onSignal
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return error instanceof CliFailure ? exitCodes[error.kind] : exitCodes.failed
}

/** A wrong command line: what is wrong and where to read on, not three screens of help. */
const presenter = (json: boolean) =>
  CliOutput.layerPresenter({
    present: (event) => {
      if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
      const what = event.errors.map((error) => error.message).join("\n")
      return Console.error(renderFailure(misused("usage", what, `\`${event.commandPath.join(" ")} --help\` shows how it is used.`), json))
    }
  })

/** Without the wizard, which asks question after question. */
const builtIns = CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] })
