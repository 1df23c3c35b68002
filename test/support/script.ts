import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { stopAll } from "../runner/child.ts"

/**
 * What the long scripts of `npm run` have in common: flags from a table that `--help` prints, a line of JSON as result, and
 * an end at Ctrl-C that leaves nothing running. Progress goes to stderr, results to stdout.
 */

/** One flag. The default says what it takes: a number (not below 0), a text, or, where it is `null`, a text that may be left out. */
interface Flag {
  readonly default: number | string | null
  /** What stands for its value in the usage. */
  readonly value: string
  readonly says: string
}
type Flags = Readonly<Record<string, Flag>>
type Values<F extends Flags> = { readonly [K in keyof F]: F[K]["default"] extends number ? number : F[K]["default"] extends string ? string : string | undefined }

/** A script's flags as they were given. `--help` prints what it is and ends with 0; a wrong one is said and ends with 2. `about`: with the exit codes. */
export const flagsOf = <F extends Flags>(script: string, about: string, flags: F): Values<F> => {
  const usage = [
    `npm run ${script} -- ${Object.entries(flags).map(([name, { value }]) => `[--${name} ${value}]`).join(" ")}`,
    "", about, "",
    ...Object.entries(flags).map(([name, flag]) => `  --${`${name} ${flag.value}`.padEnd(22)} ${flag.says}${flag.default === null ? "" : ` (default ${flag.default})`}`),
    `  ${"--help".padEnd(24)} this text`
  ].join("\n")
  const read = parsed(Object.keys(flags))
  if (read.help) {
    process.stdout.write(`${usage}\n`)
    process.exit(0)
  }
  const wrong = read.wrong ?? Object.entries(flags).flatMap(([name, flag]) => typeof flag.default === "number" && !isAmount(read.given[name]) ? [`--${name} takes a number, not ${read.given[name]}`] : [])[0]
  if (wrong !== undefined) misused(script, wrong)
  return Object.fromEntries(Object.entries(flags).map(([name, { default: otherwise }]) => {
    const given = read.given[name]
    return [name, given === undefined ? otherwise ?? undefined : typeof otherwise === "number" ? Number(given) : given]
  })) as Values<F>
}

const parsed = (names: ReadonlyArray<string>): { readonly help: boolean; readonly given: Readonly<Record<string, string | undefined>>; readonly wrong?: string } => {
  try {
    const { values: { help, ...given } } = parseArgs({ options: { ...Object.fromEntries(names.map((name) => [name, { type: "string" as const }])), help: { type: "boolean" as const } } })
    return { help: help === true, given: given as Readonly<Record<string, string | undefined>> }
  } catch (error) {
    // Node's own sentence; what follows it is about positional arguments
    return { help: false, given: {}, wrong: (error instanceof Error ? error.message : String(error)).split(". ")[0]! }
  }
}

const isAmount = (text: string | undefined): boolean => text === undefined || (text.trim() !== "" && Number.isFinite(Number(text)) && Number(text) >= 0)

/** The command line makes no sense: say so, and end with 2. */
export const misused = (script: string, why: string): never => {
  process.stderr.write(`npm run ${script}: ${why}; \`npm run ${script} -- --help\` shows how it is used\n`)
  process.exit(2)
}

export const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** What a script came to: one line of JSON, and in a file where one was asked for. */
export const tell = (result: unknown, out?: string): void => {
  process.stdout.write(`${JSON.stringify(result)}\n`)
  if (out !== undefined) writeFileSync(out, `${JSON.stringify(result, null, 2)}\n`)
}

/**
 * End cleanly at Ctrl-C. `ask`: the script comes to its end by itself and judges what it has so far; a second Ctrl-C does not
 * wait for that. Without it, at SIGTERM and at the second one: what `close` puts away, everything this process started, and exit code 130.
 */
export const stopsOnSignals = ({ ask, close }: { readonly ask?: () => void; readonly close: () => Promise<unknown> }): void => {
  let asked = ask === undefined
  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) return
    stopping = true
    say(`stopped by ${signal}: ending what was started`)
    // whatever the script was at fails now, and nobody waits for it
    process.on("uncaughtException", () => {})
    await close().catch(() => {})
    await stopAll()
    process.exit(130)
  }
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || asked) return void stop(signal)
      asked = true
      say("Ctrl-C: coming to the end, and judging what there is; once more ends at once")
      ask?.()
    })
  }
}
