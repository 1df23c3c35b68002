import { Config, Effect, Option, Schedule, Schema } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { randomInt } from "node:crypto"
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { createConnection, createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { findServer } from "../../src/nats/binary.ts"

/** The server did not come up; its log says why. */
export class ServerNotReady extends Schema.TaggedError<ServerNotReady>()("ServerNotReady", { log: Schema.String }) {}

export interface TestServer {
  /** `127.0.0.1:<port>`, the same over restarts. */
  readonly address: string
  readonly port: number
  readonly dir: string
  /** SIGKILL: no flush, no goodbye. Returns when the process is gone. */
  readonly kill: Effect.Effect<void>
  /** The same store and port again, ready when it returns. Kills a running one first. */
  readonly restart: Effect.Effect<void, ServerNotReady>
  /** SIGSTOP and SIGCONT: alive, and silent. */
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  readonly log: Effect.Effect<string>
}

/**
 * A real nats-server on a free loopback port, with JetStream, every write synced, its store in a temporary folder; gone
 * with the scope. `config` is appended to its configuration; `jetstream: false` leaves ours out of it.
 */
export const startServer = (options: { readonly config?: string; readonly dir?: string; readonly jetstream?: boolean; readonly domain?: string } = {}) =>
  Effect.gen(function*() {
    const binary = yield* findBinary
    const dir = options.dir ?? (yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "maestra-nats-"))),
      (dir) => Effect.promise(() => rm(dir, { recursive: true, force: true }))
    ))
    const port = yield* freePort
    const configFile = join(dir, "server.conf")
    const logFile = join(dir, "server.log")
    yield* Effect.promise(() => writeFile(configFile, [
      `listen: "127.0.0.1:${port}"`,
      "max_payload: 8MB",
      ...(options.jetstream === false ? [] : [`jetstream { store_dir: "${dir}/store", sync_interval: always${options.domain === undefined ? "" : `, domain: ${options.domain}`} }`]),
      options.config ?? "",
      ""
    ].join("\n")))
    const log = Effect.promise(() => readFile(logFile, "utf8").catch(() => ""))

    let child: ChildProcess | undefined
    const kill = Effect.suspend(() => {
      const running = child
      child = undefined
      return running === undefined ? Effect.void : killed(running)
    })
    const start = Effect.gen(function*() {
      child = spawn(binary, ["-c", configFile, "-l", logFile], { stdio: "ignore" })
      yield* answers(port).pipe(
        Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(500)])),
        Effect.catch(() => Effect.flatMap(log, (text) => new ServerNotReady({ log: text })))
      )
    })
    const signal = (name: NodeJS.Signals) => Effect.sync(() => void child?.kill(name))
    yield* Effect.addFinalizer(() => kill)
    yield* start
    return { address: `127.0.0.1:${port}`, port, dir, kill, restart: Effect.andThen(kill, start), freeze: signal("SIGSTOP"), thaw: signal("SIGCONT"), log } satisfies TestServer
  })

/** `NATS_SERVER` as it is (the test run names one for all its files), else found or fetched as the product does it. */
export const findBinary = Effect.orDie(Effect.flatMap(Config.option(Config.String("NATS_SERVER")), Option.match({
  onSome: Effect.succeed,
  onNone: () => Effect.map(findServer({ say: (line) => Effect.sync(() => void process.stderr.write(`${line}\n`)) }), ({ path }) => path)
})))

/** Below the ports that the product picks for 0, and below those the system gives to outgoing connections: either may be taken before it is used. */
const ports = { first: 10_240, count: 14_000 }

/**
 * A port of loopback that nobody listens on now, and that nobody else is given until this process ends: many seconds may pass
 * before a backend listens on it. The claim is a name of the kernel's, where it has such names.
 */
export const freePort: Effect.Effect<number> = Effect.callback<number>((resume) => {
  const look = (): void => {
    const port = ports.first + randomInt(ports.count)
    const claim = createServer()
    const again = () => claim.close(look)
    const probe = () => {
      const server = createServer().listen(port, "127.0.0.1", () => void server.close(() => resume(Effect.succeed(port))))
      server.once("error", again)
    }
    if (process.platform !== "linux") return probe()
    claim.once("error", look).listen(`\0maestra-test-port-${port}`, probe).unref()
  }
  look()
})

/** Ready is when it greets, not when it listens. */
const answers = (port: number) =>
  Effect.callback<void, "no">((resume) => {
    const socket = createConnection(port, "127.0.0.1")
    socket.once("data", (greeting) => resume(String(greeting).startsWith("INFO") ? Effect.void : Effect.fail("no")))
    socket.once("error", () => resume(Effect.fail("no")))
    socket.once("close", () => resume(Effect.fail("no")))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "2 seconds", orElse: () => Effect.fail("no" as const) }))

const killed = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })
