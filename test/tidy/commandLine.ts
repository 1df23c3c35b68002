import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as MutableRef from "effect/MutableRef"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { maestra } from "../../src/cli/root.ts"
import { SignalExit } from "../../src/cli/serving/serve.ts"
import { root } from "./sources.ts"
import type { Words } from "./shell.ts"

/**
 * What is wrong with a command line, as the program itself would say it. `exact`: it can be pasted;
 * otherwise it is a mention, where arguments may be left out or stand in capitals.
 */
export const faultsOf = async ([program = "", ...args]: Words, exact: boolean): Promise<ReadonlyArray<string>> => {
  if (program === "npx") return faultsOf(args, exact)
  if (program === "maestra" || program.endsWith("/maestra.sh")) return maestraFaults(args, exact)
  if (program === "npm") return npmFaults(args)
  if (program === "node") return args.filter((word) => /\.m?ts$/.test(word) && !existsSync(join(root, word))).map((file) => `no file ${file}`)
  return []
}

/** Asked for when everything else of a command line was read, right before the command would run. */
const stopped = "read to its end"
const Stop = GlobalFlag.Setting("stop")({
  flag: Flag.Boolean("stop").pipe(Flag.withDefault(false), Flag.mapEffect(() => Effect.fail(new CliError.UserError({ cause: stopped }))))
})
const readOnly = maestra.pipe(Command.withGlobalFlags([Stop]))

const quiet = Layer.mergeAll(
  NodeServices.layer,
  CliOutput.layerPresenter({ present: () => Effect.void }),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.LogLevel] }),
  ConfigProvider.layer(ConfigProvider.fromUnknown({})),
  Layer.succeed(SignalExit, MutableRef.make(0))
)

const maestraFaults = (args: Words, exact: boolean): Promise<ReadonlyArray<string>> =>
  Command.runWith(readOnly, { version: "0" })(args).pipe(
    Effect.as<ReadonlyArray<CliError.CliError>>([]),
    Effect.catchTag("ShowHelp", ({ errors }) => Effect.succeed<ReadonlyArray<CliError.CliError>>(errors)),
    Effect.map((errors) => [
      ...errors.filter((error) => !isStop(error) && (exact || !isLeftOut(error))).map(({ message }) => message),
      ...(exact && isHalf(args) ? ["a command of it is missing"] : [])
    ]),
    Effect.provide(quiet),
    Effect.runPromise
  )

const isStop = (error: CliError.CliError): boolean => error._tag === "UserError" && error.cause === stopped

/** What a sentence about a command need not say. */
const placeholder = /^(?:|[A-Z_]+|.*…)$/
const isLeftOut = (error: CliError.CliError): boolean =>
  error._tag === "MissingArgument" || error._tag === "MissingOption"
  || (error._tag === "InvalidValue" && placeholder.test(error.value))
  || (error._tag === "UnknownSubcommand" && placeholder.test(error.subcommand))

const childrenOf = (command: Command.Command.Any): ReadonlyArray<Command.Command.Any> => command.subcommands.flatMap(({ commands }) => commands)

/** `maestra local`: needs one of its commands. */
const isHalf = (args: Words): boolean => {
  let command: Command.Command.Any = maestra
  for (const word of args) command = childrenOf(command).find(({ name }) => name === word) ?? command
  return childrenOf(command).length > 0 && !args.some((word) => word === "--help" || word === "--version")
}

/** What `--help` shows as examples, of all commands. */
export const examplesOfAll = (command: Command.Command.Any = maestra): ReadonlyArray<string> =>
  [...command.examples.map((example) => example.command), ...childrenOf(command).flatMap(examplesOfAll)]

const scripts = (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly scripts: Readonly<Record<string, string>> }).scripts

/** A script of package.json, and that its file knows the flags behind `--`. */
const npmFaults = (args: Words): ReadonlyArray<string> => {
  const name = args[0] === "run" ? args[1] : ["start", "test"].includes(args[0] ?? "") ? args[0] : undefined
  if (name === undefined) return args[0] === "run" ? ["npm run what?"] : []
  const script = scripts[name]
  if (script === undefined) return [`package.json has no script ${name}`]
  const flags = args.includes("--") ? args.slice(args.indexOf("--") + 1).filter((word) => word.startsWith("--")) : []
  const file = /\S+\.m?[jt]s\b/.exec(script)?.[0]
  const text = file === undefined ? "" : readFileSync(join(root, file), "utf8")
  return flags.filter((flag) => !new RegExp(`\\b${flag.slice(2)}"?: \\{ (?:type|default):|"${flag}"`).test(text)).map((flag) => `${file} knows no ${flag}`)
}
