import { Config, Duration, Effect, Option, type Scope, Stream, SubscriptionRef } from "effect"
import { accessSync, constants, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { endServer, serversRunning, signalProcess } from "./processes.ts"
import { type Child, deathSignal, type Ports, spawnServer } from "./serverChild.ts"
import { explainExit, type PortTaken, ServerFailed, StoreTaken } from "./serverErrors.ts"
import { lastLines, linesSince, logEnd } from "./serverLog.ts"
import { holdDirectory } from "./storeLock.ts"

export interface ServerOptions {
  /** Absolute path, from `findServer`. */
  readonly binary: string
  /** Absolute path. Its `store_dir` must belong to `runDir` alone: the lock is on `runDir`. */
  readonly configFile: string
  /** The server's own directory (made with mode 0700): lock, pid, log and ports files. One server per directory. */
  readonly runDir: string
}

export type ServerState =
  | { readonly _tag: "starting" }
  | { readonly _tag: "running"; readonly pid: number; readonly clientPort: number; readonly ports: Ports; readonly restarts: number }
  | { readonly _tag: "down"; readonly restarts: number; readonly lastError: string }

export interface ServerProcess {
  readonly state: SubscriptionRef.SubscriptionRef<ServerState>
  /** On 127.0.0.1. Learned at first start and kept at every restart, so a connection made once finds the server again. */
  readonly clientPort: number
  /** As first learned; listeners other than the client's that asked for a free port (-1) may move at a restart. */
  readonly ports: Ports
  /** SIGHUP: read the configuration again. Ends when the server has; one it refuses leaves the old one in force. */
  readonly reload: Effect.Effect<void, ServerFailed>
  /** End it and start it again, at once. Ends when it is ready. */
  readonly restart: Effect.Effect<void, ServerFailed>
  /** The end of its log, oldest first, at most 50 lines. */
  readonly lastLines: Effect.Effect<ReadonlyArray<string>>
  readonly logFile: string
}

/** 200 ms, doubling up to 5 s, without end: a full disk or a taken port may be put right at any time. */
const pauseAfter = (failures: number) => Duration.millis(Math.min(5000, 200 * 2 ** failures))

/** Having lived this long, the next death starts at the smallest pause again. */
const healthyAfter = Duration.seconds(30)

/** What a start itself writes: its record, its ports, its log. */
const startMinBytes = 1024 * 1024

const reloadPatience = Duration.seconds(10)
const restartPatience = Duration.minutes(2)

/**
 * A nats-server as a child of this scope: ready when this returns, started again whenever it dies,
 * ended when the scope closes. One left over by a crashed run on the same directory is ended first.
 * Only the first start fails; later ones show in `state` and are repeated.
 */
export const startServer = (options: ServerOptions): Effect.Effect<ServerProcess, PortTaken | StoreTaken | ServerFailed, Scope.Scope> =>
  Effect.gen(function*() {
    const logFile = join(options.runDir, "nats-server.log")
    yield* claim(options)
    const environment = yield* childEnvironment
    const withDeathSignal = yield* deathSignal
    const state = yield* SubscriptionRef.make<ServerState>({ _tag: "starting" })
    let child: Child | undefined
    let clientPort: number | undefined
    let asked = false

    const launch = Effect.fnUntraced(function*(restarts: number) {
      const from = logEnd(logFile)
      const started = child = spawnServer({ ...options, logFile, environment, withDeathSignal, clientPort })
      // whole or not at all: half of it would make a server we started look like a stranger's
      const partial = `${pidFileOf(options)}.partial`
      yield* Effect.try({
        try: () => {
          writeFileSync(partial, JSON.stringify({ server: started.pid, owner: process.pid }), { mode: 0o600 })
          renameSync(partial, pidFileOf(options))
        },
        // a full disk: without its record the server would look like a stranger's
        catch: (cause) => failed(logFile, `${pidFileOf(options)} cannot be written: ${cause instanceof Error ? cause.message : "unknown reason"}`)
      }).pipe(Effect.onError(() => started.stop))
      const ports = yield* started.ready
      if (Option.isNone(ports)) return yield* explainExit(linesSince(logFile, from), logFile)
      clientPort = ports.value.client
      yield* SubscriptionRef.set(state, { _tag: "running", pid: started.pid, clientPort, ports: ports.value, restarts })
      return ports.value
    })

    const keepUp = Effect.gen(function*() {
      let failures = 0
      for (let restarts = 1;; restarts++) {
        const [lived] = yield* Effect.timed(child!.exited)
        if (Duration.isGreaterThan(lived, healthyAfter)) failures = 0
        if (!asked) {
          const lastError = lastLines(logFile).at(-1) ?? "it ended without a word"
          yield* SubscriptionRef.set(state, { _tag: "down", restarts, lastError })
          yield* Effect.logWarning("nats-server ended; starting it again", { restarts, lastError, log: logFile })
          yield* Effect.sleep(pauseAfter(failures++))
        }
        asked = false
        yield* Effect.ignore(launch(restarts))
      }
    })

    yield* Effect.addFinalizer(() => Effect.andThen(Effect.suspend(() => child?.stop ?? Effect.void), Effect.sync(() => rmSync(pidFileOf(options), { force: true }))))
    const ports = yield* launch(0)
    yield* Effect.forkScoped(keepUp)

    return {
      state,
      clientPort: ports.client,
      ports,
      logFile,
      lastLines: Effect.sync(() => lastLines(logFile)),
      reload: reload(state, logFile),
      restart: Effect.suspend(() => {
        const before = child?.pid
        asked = true
        return Effect.andThen(child?.stop ?? Effect.void, isBack(state, before, logFile))
      })
    }
  })

const reload = (state: SubscriptionRef.SubscriptionRef<ServerState>, logFile: string): Effect.Effect<void, ServerFailed> =>
  Effect.suspend(() => {
    const current = SubscriptionRef.getUnsafe(state)
    // Otherwise it is about to start, and reads the configuration then.
    if (current._tag !== "running") return Effect.void
    const from = logEnd(logFile)
    signalProcess(current.pid, "SIGHUP")
    return reloadSeen(logFile, from).pipe(
      Effect.flatMap((refused) => refused === undefined ? Effect.void : Effect.fail(failed(logFile, `nats-server keeps its old configuration: ${refused}`))),
      Effect.timeoutOrElse({ duration: reloadPatience, orElse: () => Effect.fail(failed(logFile, "nats-server did not say that it read its configuration again")) })
    )
  })

const isBack = (state: SubscriptionRef.SubscriptionRef<ServerState>, before: number | undefined, logFile: string): Effect.Effect<void, ServerFailed> =>
  SubscriptionRef.changes(state).pipe(
    Stream.filter((now) => now._tag === "running" && now.pid !== before),
    Stream.runHead,
    Effect.timeoutOrElse({ duration: restartPatience, orElse: () => Effect.fail(failed(logFile, "nats-server did not come back")) }),
    Effect.asVoid
  )

const failed = (logFile: string, hint: string) => new ServerFailed({ hint: `${hint} (its log: ${logFile})`, lastLines: lastLines(logFile) })

/** Own the directory, and end what a crashed run left there. */
const claim = (options: ServerOptions) =>
  Effect.gen(function*() {
    yield* Effect.try({
      try: () => {
        mkdirSync(options.runDir, { recursive: true, mode: 0o700 })
        accessSync(options.runDir, constants.W_OK)
      },
      catch: (cause) => new ServerFailed({ hint: `${options.runDir} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, lastLines: [] })
    })
    // it would start, fail to say on which ports, and be waited for without end
    const { bavail, bsize } = statfsSync(options.runDir)
    if (bavail * bsize < startMinBytes) return yield* new ServerFailed({ hint: `The disk of ${options.runDir} is full. Make room, then start again; nothing is lost.`, lastLines: [] })
    const recorded = readPids(options)
    if (!(yield* holdDirectory(options.runDir))) {
      return yield* new StoreTaken({
        directory: options.runDir,
        ...(recorded === undefined ? {} : { pid: recorded.owner }),
        hint: `Another running backend uses ${options.runDir}${recorded === undefined ? "" : ` (process ${recorded.owner})`}. Stop it, or use another data directory.`
      })
    }
    for (const pid of yield* serversRunning(options.configFile)) {
      if (pid !== recorded?.server) {
        return yield* new StoreTaken({ directory: options.runDir, pid, hint: `A nats-server that we did not start (process ${pid}) uses ${options.configFile}. Stop it first.` })
      }
      yield* Effect.logInfo("ending the nats-server a crashed run left over", { pid })
      yield* endServer(pid, options.configFile)
    }
  })

const pidFileOf = (options: ServerOptions) => join(options.runDir, "nats-server.pid.json")

const readPids = (options: ServerOptions): { readonly server: number; readonly owner: number } | undefined => {
  try {
    const { owner, server } = JSON.parse(readFileSync(pidFileOf(options), "utf8"))
    return Number.isInteger(server) && Number.isInteger(owner) ? { server, owner } : undefined
  } catch {
    return undefined
  }
}

/** Where the operating system keeps its certificate authorities, if it is told; nothing else of ours is the server's business. */
const childEnvironment: Effect.Effect<Readonly<Record<string, string>>> = Effect.gen(function*() {
  const environment: Record<string, string> = {}
  for (const name of ["SSL_CERT_FILE", "SSL_CERT_DIR", "TZ", "GOMEMLIMIT"]) {
    const value = yield* Effect.orDie(Config.option(Config.String(name)))
    if (Option.isSome(value)) environment[name] = value.value
  }
  return environment
})

/** Waits for the server's word; the refusal's text, or undefined where it took the configuration. */
const reloadSeen = (logFile: string, from: number): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    for (;;) {
      for (const line of linesSince(logFile, from)) {
        if (line.includes("Reloaded server configuration")) return undefined
        const refused = /\[ERR\] (Failed to reload server configuration.*)$/.exec(line)
        if (refused !== null) return refused[1]
      }
      yield* Effect.sleep("10 millis")
    }
  })
