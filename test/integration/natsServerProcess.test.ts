// Goal: a nats-server of ours is up when we say so, comes back when it dies, never outlives us, and says why it cannot start.
// Method: real servers in temporary folders; deaths by SIGKILL, of the server and of the process that supervises it.
import { assert, it } from "@effect/vitest"
import { Effect, Exit, Result, Scope, SubscriptionRef } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { serversRunning } from "../../src/nats/processes.ts"
import { type ServerProcess, startServer } from "../../src/nats/ServerProcess.ts"
import { binary, dial, temporaryFolder, until } from "../support/hubRig.ts"

const withConfig = (lines: ReadonlyArray<string> = []) =>
  Effect.gen(function*() {
    const runDir = yield* temporaryFolder
    const configFile = join(runDir, "test.conf")
    const write = (more: ReadonlyArray<string>) => writeFileSync(configFile, [`host: "127.0.0.1"`, `jetstream { store_dir: "${runDir}/store" }`, ...more, ""].join("\n"))
    write(lines.length === 0 ? ["port: -1"] : lines)
    return { binary: yield* binary, configFile, runDir, write }
  })

const stateOf = (server: ServerProcess) => SubscriptionRef.getUnsafe(server.state)
const pidOf = (server: ServerProcess) => {
  const state = stateOf(server)
  return state._tag === "running" ? state.pid : 0
}
const gone = (configFile: string) => Effect.map(serversRunning(configFile), (pids) => pids.length === 0)
const running = (server: ServerProcess, restarts: number) =>
  until(`running after ${restarts} restarts`, Effect.sync(() => {
    const state = stateOf(server)
    return state._tag === "running" && state.restarts === restarts
  }))

/** Supervises in a Node process of its own; gives the child process and the server's pid. */
const supervisedElsewhere = (options: { readonly binary: string; readonly configFile: string; readonly runDir: string }) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly child: ChildProcess; readonly pid: number; readonly clientPort: number }>((resume) => {
      const script = fileURLToPath(new URL("../support/superviseUntilKilled.ts", import.meta.url))
      const child = spawn(process.execPath, [script, options.binary, options.configFile, options.runDir], { stdio: ["ignore", "pipe", "inherit"] })
      child.stdout.once("data", (line) => {
        const { clientPort, pid } = JSON.parse(String(line))
        resume(Effect.succeed({ child, pid, clientPort }))
      })
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

it.live("is ready when it says so, and gone when its scope closes", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    const scope = yield* Scope.make()
    const server = yield* Scope.provide(startServer(options), scope)
    assert.deepStrictEqual(yield* serversRunning(options.configFile), [pidOf(server)])
    yield* Effect.scoped(dial(server.clientPort, {}))
    yield* Scope.close(scope, Exit.void)
    assert.isTrue(yield* gone(options.configFile))
  }))

it.live("killed, it comes back on the same port, and connections find it again", () =>
  Effect.gen(function*() {
    const server = yield* startServer(yield* withConfig())
    const connection = yield* dial(server.clientPort, {})
    for (const restarts of [1, 2]) {
      process.kill(pidOf(server), "SIGKILL")
      yield* until("it is seen down", Effect.sync(() => stateOf(server)._tag === "down"))
      yield* running(server, restarts)
      const state = stateOf(server)
      assert.strictEqual(state._tag === "running" && state.clientPort, server.clientPort)
      yield* until("the connection is back", Effect.promise(() => connection.flush().then(() => true, () => false)))
    }
  }))

it.live("restart and reload end when they have happened; a broken configuration is refused, the old one stays", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    const server = yield* startServer(options)
    const before = pidOf(server)
    yield* server.restart
    assert.notStrictEqual(pidOf(server), before)
    assert.isAbove(pidOf(server), 0)

    options.write(["port: -1", "max_payload: 2MB"])
    yield* server.reload
    const connection = yield* dial(server.clientPort, {})
    assert.strictEqual(connection.info?.max_payload, 2 * 1024 * 1024)

    options.write(["port: -1", "max_payload: nonsense"])
    const refused = yield* Effect.flip(server.reload)
    assert.include(refused.hint, "keeps its old configuration")
    assert.isAtLeast(refused.lastLines.length, 1)
    yield* Effect.promise(() => connection.flush())
  }))

it.live("a port in use is named", () =>
  Effect.gen(function*() {
    const squatter = createServer()
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        squatter.listen(0, "127.0.0.1", () => {
          const address = squatter.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () => Effect.sync(() => squatter.close())
    )
    for (const line of [`port: ${port}`, `port: -1\nleafnodes { listen: "127.0.0.1:${port}" }`, `port: -1\nwebsocket { listen: "127.0.0.1:${port}", no_tls: true }`, `port: -1\nhttp: "127.0.0.1:${port}"`]) {
      const options = yield* withConfig([line])
      const failure = yield* Effect.flip(startServer(options))
      assert.strictEqual(failure._tag, "PortTaken", line)
      assert.include(failure.hint, String(port))
      assert.isTrue(yield* gone(options.configFile))
    }
  }))

it.live("a configuration that does not parse is quoted, and nothing secret is on the command line", () =>
  Effect.gen(function*() {
    const broken = yield* withConfig(["port: -1", "no_such_setting: 1"])
    const failure = yield* Effect.flip(startServer(broken))
    assert.strictEqual(failure._tag, "ServerFailed")
    assert.include(failure.hint, "no_such_setting")

    const options = yield* withConfig(["port: -1", `authorization { user: a, password: "s3cret-word" }`])
    const server = yield* startServer(options)
    assert.notInclude(readFileSync(`/proc/${pidOf(server)}/cmdline`, "utf8"), "s3cret-word")
    assert.notInclude(readFileSync(`/proc/${pidOf(server)}/environ`, "utf8"), "HOME=")
  }))

it.live("a directory in use is refused with who uses it, in this process and in another", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    const elsewhere = yield* supervisedElsewhere(options)
    const refused = yield* Effect.flip(startServer(options))
    assert.isTrue(refused._tag === "StoreTaken" && refused.pid === elsewhere.child.pid)
    assert.deepStrictEqual(yield* serversRunning(options.configFile), [elsewhere.pid])

    const own = yield* withConfig()
    yield* startServer(own)
    assert.strictEqual((yield* Effect.flip(startServer(own)))._tag, "StoreTaken")
  }))

it.live("a nats-server somebody else runs on our configuration is left alone, and named", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    const byHand = yield* Effect.acquireRelease(Effect.sync(() => spawn(options.binary, ["-c", options.configFile], { stdio: "ignore" })), (child) => Effect.sync(() => child.kill("SIGKILL")))
    yield* until("it runs", Effect.map(serversRunning(options.configFile), (pids) => pids.length === 1))
    const refused = yield* Effect.flip(startServer(options))
    assert.isTrue(refused._tag === "StoreTaken" && refused.pid === byHand.pid)
  }))

it.live("SIGKILL of the supervising process leaves no nats-server, and the next start has the store", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    const elsewhere = yield* supervisedElsewhere(options)
    yield* Effect.scoped(dial(elsewhere.clientPort, {}))
    elsewhere.child.kill("SIGKILL")
    yield* until("the orphan is gone", gone(options.configFile))
    const server = yield* startServer(options)
    assert.strictEqual(stateOf(server)._tag, "running")
  }))

it.live("a server that a crashed run left over is ended before ours starts", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    // as where there is no setpriv: the crash leaves the server running and its pid in the file
    const orphan = yield* Effect.acquireRelease(Effect.sync(() => spawn(options.binary, ["-c", options.configFile], { stdio: "ignore" })), (child) => Effect.sync(() => child.kill("SIGKILL")))
    yield* until("it runs", Effect.map(serversRunning(options.configFile), (pids) => pids.length === 1))
    writeFileSync(join(options.runDir, "nats-server.pid.json"), JSON.stringify({ server: orphan.pid, owner: 999_999 }))
    const server = yield* startServer(options)
    assert.deepStrictEqual(yield* serversRunning(options.configFile), [pidOf(server)])
    assert.notStrictEqual(pidOf(server), orphan.pid)
  }))

it.live("a start that is interrupted leaves nothing behind", () =>
  Effect.gen(function*() {
    const options = yield* withConfig()
    for (const after of ["1 millis", "30 millis", "100 millis"] as const) {
      const outcome = yield* Effect.result(Effect.timeout(Effect.scoped(Effect.andThen(startServer(options), Effect.never)), after))
      assert.isTrue(Result.isFailure(outcome))
      assert.isTrue(yield* gone(options.configFile))
    }
  }))
