// Goal: the shipped nats.conf is what runs; pairing, pause, resume, unpairing take hold with a reload; link changes show within a second.
// Method: `nats-server -t` on the checkout and on a data directory; a real hub and a real local server, each step observed from both ends.
import { assert, it } from "@effect/vitest"
import { Effect, Result, SubscriptionRef } from "effect"
import { execFile } from "node:child_process"
import { chmodSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { subjects } from "../../streams/subjects.ts"
import { openLeafConfig } from "../../src/nats/leafConfig.ts"
import { watchLeaf } from "../../src/nats/leafLink.ts"
import { startServer } from "../../src/nats/ServerProcess.ts"
import { admit, binary, dial, leafCount, makeHub, makePeer, temporaryFolder, until } from "../support/hubRig.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

const checked = (configFile: string, cwd: string) =>
  Effect.flatMap(binary, (path) =>
    Effect.callback<string>((resume) => {
      execFile(path, ["-t", "-c", configFile], { cwd }, (error, _out, said) => resume(Effect.succeed(error === null ? "valid" : said)))
    }))

it.live("nats.conf passes nats-server -t in a checkout, as the try-out instance", () =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    for (const part of ["nats.conf", "infra/leaf/instance.conf"]) cpSync(join(repository, part), join(folder, part))
    assert.strictEqual(yield* checked("nats.conf", folder), "valid")
  }))

it.live("a data directory's configuration is the shipped one, private, and kept from start to start", () =>
  Effect.gen(function*() {
    const directory = join(yield* temporaryFolder, `with "quotes" and \\ and spaces`)
    const options = { directory, instanceId: "i1", port: 0 }
    const first = yield* openLeafConfig(options)
    assert.strictEqual(yield* checked(first.configFile, directory), "valid")
    assert.strictEqual(readFileSync(first.configFile, "utf8"), readFileSync(join(repository, "nats.conf"), "utf8"))
    for (const [path, mode] of [["", 0o700], ["infra/leaf", 0o700], ["nats.conf", 0o600], ["infra/leaf/instance.conf", 0o600]] as const) {
      assert.strictEqual(statSync(join(directory, path)).mode & 0o777, mode, path)
    }
    chmodSync(directory, 0o755)
    const second = yield* openLeafConfig({ ...options, instanceId: "another" })
    assert.deepStrictEqual([second.agent, second.system, second.domain], [first.agent, first.system, "l_i1"])
    assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
    assert.notStrictEqual(first.agent.pass, first.system.pass)

    writeFileSync(join(directory, "infra/leaf/instance.conf"), "MAESTRA_PORT: nonsense\n")
    assert.strictEqual((yield* Effect.flip(openLeafConfig(options)))._tag, "LeafConfigBroken")
  }))

it.live("only this machine, or an encrypted address, is taken for the link", () =>
  Effect.gen(function*() {
    const config = yield* openLeafConfig({ directory: yield* temporaryFolder, instanceId: "i1", port: 0 })
    const allowed = ["tls://hub.example.org:7422", "wss://hub.example.org", "nats-leaf://127.0.0.1:7422", "ws://localhost:8080"]
    const refused = ["nats-leaf://hub.example.org:7422", "ws://10.0.0.1", "http://127.0.0.1", "tls://user:word@hub.example.org", "", "127.0.0.1:7422", `tls://a"b`, "nats-leaf://127.0.0.1.example.org:1"]
    for (const url of allowed) assert.isTrue(Result.isSuccess(yield* Effect.result(config.pair({ urls: [url], creds: "" }))), url)
    for (const url of refused) assert.isTrue(Result.isFailure(yield* Effect.result(config.pair({ urls: [url], creds: "" }))), url)
  }))

it.live("unpaired, paired, paused, resumed, unpaired: each with a reload, each seen on both ends within a second", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const admitted = yield* admit(hub, "alice", "p1")
    const directory = yield* temporaryFolder
    const config = yield* openLeafConfig({ directory, instanceId: "p1", port: 0 })
    const server = yield* startServer({ binary: yield* binary, configFile: config.configFile, runDir: directory })
    const link = yield* watchLeaf({ clientPort: server.clientPort, system: config.system })
    const agent = yield* dial(server.clientPort, { ...config.agent, inboxPrefix: "_INBOX.p1" })
    let disconnected = false
    const status = agent.status()
    void (async () => {
      for await (const { type } of status) disconnected ||= type === "disconnect"
    })()
    const now = Effect.sync(() => SubscriptionRef.getUnsafe(link).up)
    const becomes = (up: boolean) =>
      Effect.gen(function*() {
        yield* until(`the link is ${up ? "up" : "down"} here`, Effect.map(now, (is) => is === up), "1 seconds")
        yield* until(`the link is ${up ? "up" : "down"} there`, Effect.map(leafCount(hub), (count) => count === (up ? 1 : 0)), "1 seconds")
      })
    assert.deepStrictEqual(yield* config.status, { paired: false, paused: false })
    assert.isFalse(yield* now)

    assert.strictEqual(yield* config.pair({ urls: [`nats-leaf://127.0.0.1:${hub.leafPort}`], creds: admitted.creds }), "reload")
    yield* server.reload
    yield* becomes(true)
    for (let round = 0; round < 3; round++) {
      assert.strictEqual(yield* config.pause, "reload")
      yield* server.reload
      yield* becomes(false)
      assert.deepStrictEqual(yield* config.status, { paired: true, paused: true })
      assert.strictEqual(yield* config.resume, "reload")
      yield* server.reload
      yield* becomes(true)
    }
    // through WebSocket, from the same remote
    yield* config.pair({ urls: [`ws://127.0.0.1:${hub.server.ports.webSocket}`], creds: admitted.creds })
    yield* server.reload
    yield* becomes(true)

    // pause survives a restart and a new pairing
    yield* config.pause
    yield* config.pair({ urls: [`nats-leaf://127.0.0.1:${hub.leafPort}`], creds: admitted.creds })
    yield* server.reload
    yield* becomes(false)
    assert.isFalse(disconnected, "reloads keep the backend's own connections")
    yield* server.restart
    assert.isFalse(yield* now)
    yield* config.resume
    yield* server.reload
    yield* becomes(true)

    yield* config.unpair
    yield* server.reload
    yield* becomes(false)
    assert.isFalse(existsSync(join(directory, "leaf.creds")))
    assert.deepStrictEqual(yield* config.status, { paired: false, paused: false })
  }), 60_000)

it.live("the link's end and return show within a second, hub killed or local server killed; the mirror catches up", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    const link = yield* watchLeaf({ clientPort: alice.server.clientPort, system: alice.config.system })
    const is = (up: boolean, patience: "1 seconds" | "5 seconds") => until(`link ${up}`, Effect.sync(() => SubscriptionRef.getUnsafe(link).up === up), patience)
    const kill = (server: typeof hub.server) => {
      const state = SubscriptionRef.getUnsafe(server.state)
      if (state._tag === "running") process.kill(state.pid, "SIGKILL")
    }
    yield* is(true, "5 seconds")
    kill(hub.server)
    yield* is(false, "1 seconds")
    assert.isString(SubscriptionRef.getUnsafe(link).reason)
    yield* is(true, "5 seconds")
    kill(alice.server)
    yield* is(false, "1 seconds")
    yield* is(true, "5 seconds")
    yield* hub.publish(subjects.logConversation("alice", "c1"), "after both deaths")
    yield* until("the mirror holds it", Effect.map(alice.held, (held) => held === 1))
  }), 60_000)
