import { Deferred, Effect, Option, Schema } from "effect"
import { execFile, spawn } from "node:child_process"
import { closeSync, openSync, readFileSync, rmSync } from "node:fs"
import { connect } from "node:net"
import { basename, join } from "node:path"
import { signalProcess } from "./processes.ts"

/** Ports a running server listens on; those its configuration does not open are missing. */
export interface Ports {
  readonly client: number
  readonly leaf?: number
  readonly webSocket?: number
  readonly monitor?: number
}

export interface Child {
  readonly pid: number
  /** None: it ended before it was ready. A store that takes minutes to recover is waited for. */
  readonly ready: Effect.Effect<Option.Option<Ports>>
  readonly exited: Effect.Effect<void>
  /** SIGTERM, SIGKILL after five seconds; returns when it is gone. */
  readonly stop: Effect.Effect<void>
}

export interface ChildOptions {
  readonly binary: string
  readonly configFile: string
  readonly runDir: string
  readonly logFile: string
  /** The child's whole environment. Ours may hold passphrases, and the server's configuration can read variables. */
  readonly environment: Readonly<Record<string, string>>
  /** Overrides the configuration's client port. */
  readonly clientPort: number | undefined
  /** Command that runs its arguments and ends them when we die, or none. */
  readonly withDeathSignal: ReadonlyArray<string>
}

/** `setpriv --pdeathsig TERM`, where it is there and can (Linux): it execs, so the pid is nats-server's own. */
export const deathSignal: Effect.Effect<ReadonlyArray<string>> = Effect.callback((resume) => {
  const command = ["/usr/bin/setpriv", "--pdeathsig", "TERM", "--"]
  if (process.platform !== "linux") return resume(Effect.succeed([]))
  execFile(command[0]!, [...command.slice(1), "/bin/true"], { timeout: 5000 }, (error) => resume(Effect.succeed(error === null ? command : [])))
})

/**
 * Start one nats-server, in a process group of its own so that Ctrl-C in a terminal reaches us and not it.
 * Nothing secret is on its command line. What it cannot log itself (a configuration that does not parse)
 * goes to the same file.
 */
export const spawnServer = (options: ChildOptions): Child => {
  const exited = Deferred.makeUnsafe<void>()
  const log = openSync(options.logFile, "a", 0o600)
  const [command, ...argv] = [
    ...options.withDeathSignal,
    options.binary,
    "-c",
    options.configFile,
    "-l",
    options.logFile,
    "--ports_file_dir",
    options.runDir,
    ...(options.clientPort === undefined ? [] : ["-p", String(options.clientPort)])
  ]
  const process = spawn(command!, argv, { detached: true, env: options.environment, stdio: ["ignore", log, log], cwd: options.runDir })
  closeSync(log)
  process.on("exit", () => Deferred.doneUnsafe(exited, Effect.void))
  process.on("error", () => Deferred.doneUnsafe(exited, Effect.void))
  const pid = process.pid ?? 0
  const portsFile = join(options.runDir, `${basename(options.binary)}_${pid}.ports`)
  const gone = Deferred.await(exited)
  return {
    pid,
    exited: Effect.andThen(gone, Effect.sync(() => rmSync(portsFile, { force: true }))),
    ready: Effect.raceFirst(Effect.asSome(portsWhenReady(portsFile)), Effect.as(gone, Option.none())),
    stop: Effect.suspend(() => {
      if (pid === 0 || process.exitCode !== null || process.signalCode !== null) return Effect.void
      signalProcess(pid, "SIGTERM")
      return gone.pipe(
        Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.andThen(Effect.sync(() => signalProcess(pid, "SIGKILL")), gone) })
      )
    })
  }
}

/** The server writes the file when its listeners are open; ready means the client port greets. */
const portsWhenReady = (file: string): Effect.Effect<Ports> =>
  Effect.gen(function*() {
    for (;;) {
      const ports = readPorts(file)
      if (ports !== undefined && (yield* greets(ports.client))) return ports
      yield* Effect.sleep("20 millis")
    }
  })

const greets = (port: number): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ host: "127.0.0.1", port })
    const answer = (yes: boolean) => {
      socket.destroy()
      resume(Effect.succeed(yes))
    }
    socket.once("data", (bytes) => answer(bytes.toString("utf8").startsWith("INFO ")))
    socket.once("error", () => answer(false))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.succeed(false) }))

const Urls = Schema.optionalKey(Schema.Array(Schema.String))
const PortsFile = Schema.fromJsonString(Schema.Struct({ nats: Urls, leafnodes: Urls, websocket: Urls, monitoring: Urls }))
const decodePorts = Schema.decodeUnknownOption(PortsFile)

/** Undefined while the file is missing or half written. */
const readPorts = (file: string): Ports | undefined => {
  let text: string
  try {
    text = readFileSync(file, "utf8")
  } catch {
    return undefined
  }
  const found = Option.getOrUndefined(decodePorts(text))
  const port = (urls: ReadonlyArray<string> | undefined) => urls?.[0] === undefined ? undefined : Number(/:(\d+)\/?$/.exec(urls[0])?.[1])
  const client = port(found?.nats)
  if (client === undefined) return undefined
  const others = { leaf: port(found?.leafnodes), webSocket: port(found?.websocket), monitor: port(found?.monitoring) }
  return {
    client,
    ...(others.leaf === undefined ? {} : { leaf: others.leaf }),
    ...(others.webSocket === undefined ? {} : { webSocket: others.webSocket }),
    ...(others.monitor === undefined ? {} : { monitor: others.monitor })
  }
}
