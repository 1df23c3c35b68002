import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"

/** The top of the checkout, with a slash at the end. */
export const root = fileURLToPath(new URL("../../", import.meta.url))
const bin = join(root, "node_modules", ".bin")

/** What a stopped child may take to put its things away before it is killed. */
const graceMillis = 5_000

let running: ChildProcess | undefined
/** A signal came: nothing new is started. */
let stopping = false
/** Resolves when nothing of what was told to stop is left. */
let stopped = Promise.resolve()

export interface Ran {
  /** `null` when a signal ended it. */
  readonly code: number | null
  /** Both streams as they came; empty unless `keep`. */
  readonly output: string
  readonly timedOut: boolean
}

/** Run a program of node_modules/.bin to its end. `keep` its output to judge it, or let it through as it comes. */
export const run = (command: ReadonlyArray<string>, options: {
  readonly maxMillis: number
  readonly keep: boolean
  readonly env?: Readonly<Record<string, string>>
}): Promise<Ran> =>
  new Promise((resolve) => {
    let output = ""
    let timedOut = false
    const stream = options.keep ? "pipe" : "inherit"
    const child = spawn(join(bin, command[0]!), command.slice(1), {
      cwd: root,
      stdio: ["ignore", stream, stream],
      // the first `node` on the path is the one the install brought
      env: { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`, ...options.env }
    })
    running = child
    const timer = setTimeout(() => {
      timedOut = true
      stopBelow()
    }, options.maxMillis)
    const take = (chunk: Buffer) => output += chunk.toString()
    child.stdout?.on("data", take)
    child.stderr?.on("data", take)
    const end = async (code: number | null) => {
      clearTimeout(timer)
      running = undefined
      await stopped
      if (stopping) process.exit(130)
      resolve({ code, output, timedOut })
    }
    child.on("error", (cause) => {
      output += String(cause)
      end(1)
    })
    child.on("close", end)
  })

/** On Ctrl-C and its kin: stop what runs and all it started, then end with 130. */
export const stopOnSignals = (say: (line: string) => void): void => {
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (stopping) return
      stopping = true
      say(`\nstopped by ${name}`)
      stopBelow()
      if (running === undefined) void stopped.then(() => process.exit(130))
    })
  }
}

/** Stop everything this process started: politely first, then for good. */
export const stopAll = (): Promise<void> => stop(descendants(process.pid))

const stopBelow = () => {
  stopped = stopAll()
}

const stop = async (tree: ReadonlyArray<number>) => {
  send(tree, "SIGTERM")
  const patience = performance.now() + graceMillis
  while (performance.now() < patience && send(tree, 0) > 0) await sleep(50)
  send(tree, "SIGKILL")
}

/** Send a signal (0: only ask) to each; how many were there to get it. */
const send = (pids: ReadonlyArray<number>, signal: NodeJS.Signals | 0): number =>
  pids.filter((pid) => {
    try {
      return process.kill(pid, signal)
    } catch {
      return false // it has ended
    }
  }).length

/** Everything below a process, as the kernel sees it now. Where there is no /proc: nothing. */
const descendants = (top: number): ReadonlyArray<number> => {
  const parentOf = new Map<number, number>()
  for (const name of existsSync("/proc/self/stat") ? readdirSync("/proc") : []) {
    if (!/^\d+$/.test(name)) continue
    try {
      // the second field is a name in brackets that may hold anything, brackets too
      const stat = readFileSync(`/proc/${name}/stat`, "utf8")
      parentOf.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]))
    } catch {
      continue // it ended while we looked
    }
  }
  const below = (pid: number): ReadonlyArray<number> =>
    [...parentOf].filter(([, parent]) => parent === pid).flatMap(([child]) => [child, ...below(child)])
  return below(top)
}
