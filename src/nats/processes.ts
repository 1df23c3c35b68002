import { Effect } from "effect"
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { basename } from "node:path"

/**
 * Ids of running nats-servers whose command line names this configuration file (absolute path).
 * Linux reads /proc; elsewhere `ps` answers, and paths with spaces are compared as text.
 */
export const serversRunning = (configFile: string): Effect.Effect<ReadonlyArray<number>> =>
  process.platform === "linux"
    ? Effect.sync(() => readdirSync("/proc").map(Number).filter((pid) => pid > 0 && isServer(argvOf(pid), configFile)))
    : Effect.map(processList, (lines) => lines.filter(({ command }) => command.includes("nats-server") && command.includes(configFile)).map(({ pid }) => pid))

/** End a nats-server that is not our child: SIGTERM, SIGKILL after five seconds. Returns when it is gone. */
export const endServer = (pid: number, configFile: string): Effect.Effect<void> => {
  const gone = Effect.gen(function*() {
    while ((yield* serversRunning(configFile)).includes(pid)) yield* Effect.sleep("20 millis")
  })
  return Effect.sync(() => signalProcess(pid, "SIGTERM")).pipe(
    Effect.andThen(gone),
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.andThen(Effect.sync(() => signalProcess(pid, "SIGKILL")), gone) })
  )
}

/** A process that ended by itself meanwhile is as good as signalled. */
export const signalProcess = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch (cause) {
    if (!(cause instanceof Error && "code" in cause && cause.code === "ESRCH")) throw cause
  }
}

const isServer = (argv: ReadonlyArray<string>, configFile: string) => basename(argv[0] ?? "").startsWith("nats-server") && argv.includes(configFile)

/** Empty for a process that is gone, or dead and not yet reaped. */
const argvOf = (pid: number): ReadonlyArray<string> => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")
  } catch {
    return []
  }
}

const processList = Effect.callback<ReadonlyArray<{ readonly pid: number; readonly command: string }>>((resume) => {
  execFile("ps", ["-axo", "pid=,command="], { maxBuffer: 16 * 1024 * 1024 }, (_error, out) => {
    resume(Effect.succeed(out.split("\n").map((line) => ({ pid: Number.parseInt(line, 10), command: line.trim() }))))
  })
})
