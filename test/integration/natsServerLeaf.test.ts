// Goal: the shipped nats.conf is what runs; pairing, pause, resume, unpairing take hold with a reload; link changes show within a second.
// Method: `nats-server -t` on the checkout and on a data directory; a real hub and a real local server, each step observed from both ends.
import { assert, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Result, SubscriptionRef } from "effect"
import { execFile, execFileSync } from "node:child_process"
import { chmodSync, cpSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { subjects } from "../../streams/subjects.ts"
import { renderHubConfig } from "../../src/nats/hubConfig.ts"
import { makeHubSecrets, peersSigner } from "../../src/nats/hubSecrets.ts"
import { openLeafConfig } from "../../src/nats/leafConfig.ts"
import { credsFile, issueLeaf, makeTransportKey } from "../../src/nats/leafCredentials.ts"
import { watchLeaf } from "../../src/nats/leafLink.ts"
import { startServer } from "../../src/nats/ServerProcess.ts"
import { admit, binary, dial, leafCount, makeHub, makePeer, temporaryFolder, until } from "../support/hubRig.ts"
import { freePort } from "../support/natsServer.ts"

const repository = fileURLToPath(new URL("../../", import.meta.url))

/** How long something takes to be so, milliseconds. */
const millisUntil = (what: string, fact: Effect.Effect<boolean>) => Effect.map(Effect.timed(until(what, fact)), ([took]) => Duration.toMillis(took))
/** One of them may fall into a moment in which this machine does something else. */
const median = (times: ReadonlyArray<number>): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!

const checked = (configFile: string, cwd: string) =>
  Effect.flatMap(binary, (path) =>
    Effect.callback<string>((resume) => {
      execFile(path, ["-t", "-c", configFile], { cwd }, (error, _out, said) => resume(Effect.succeed(error === null ? "valid" : said)))
    }))

it.live("nats.conf passes nats-server -t in a checkout, as the try-out instance", () =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    for (const part of ["nats.conf", "infra/leaf"]) cpSync(join(repository, part), join(folder, part), { recursive: true })
    assert.strictEqual(yield* checked("nats.conf", folder), "valid")
  }))

it.live("a data directory's configuration is the shipped one, private, and kept from start to start", () =>
  Effect.gen(function*() {
    const directory = join(yield* temporaryFolder, `with "quotes" and \\ and spaces`)
    const options = { directory, instanceId: "i1", port: 0 }
    const first = yield* openLeafConfig(options)
    assert.strictEqual(yield* checked(first.configFile, directory), "valid")
    assert.strictEqual(readFileSync(first.configFile, "utf8"), readFileSync(join(repository, "nats.conf"), "utf8"))
    for (const [path, mode] of [["", 0o700], ["infra/leaf", 0o700], ["nats.conf", 0o600], ["infra/leaf/instance.conf", 0o600], ["infra/leaf/tools.conf", 0o600]] as const) {
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
    const took: Array<number> = []
    const becomes = (up: boolean) =>
      Effect.gen(function*() {
        took.push(yield* millisUntil(`the link is ${up ? "up" : "down"} here`, Effect.map(now, (is) => is === up)))
        took.push(yield* millisUntil(`the link is ${up ? "up" : "down"} there`, Effect.map(leafCount(hub), (count) => count === (up ? 1 : 0))))
      })
    assert.deepStrictEqual(yield* config.status, { paired: false, paused: false })
    assert.isFalse(yield* now)

    // a pause from before the pairing is there when the folder is opened again, and the link begins with it
    yield* config.pause
    assert.deepStrictEqual(yield* (yield* openLeafConfig({ directory, instanceId: "p1", port: 0 })).status, { paired: false, paused: true })
    yield* config.pair({ urls: [`nats-leaf://127.0.0.1:${hub.leafPort}`], creds: admitted.creds })
    assert.deepStrictEqual(yield* config.status, { paired: true, paused: true })
    yield* config.unpair
    assert.deepStrictEqual(yield* config.status, { paired: false, paused: true })
    yield* config.resume
    assert.deepStrictEqual(yield* config.status, { paired: false, paused: false })

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
    assert.isBelow(median(took), 1000, `${took.map(Math.round).join(", ")} ms`)
  }))

it.live("the link's end and return show within a second, hub killed or local server killed; the mirror catches up", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const alice = yield* makePeer(hub, yield* admit(hub, "alice", "p1"))
    const link = yield* watchLeaf({ clientPort: alice.server.clientPort, system: alice.config.system })
    const is = (up: boolean) => millisUntil(`link ${up}`, Effect.sync(() => SubscriptionRef.getUnsafe(link).up === up))
    const kill = Effect.fnUntraced(function*(server: typeof hub.server) {
      const stateNow = () => SubscriptionRef.getUnsafe(server.state)
      yield* until("it runs", Effect.sync(() => stateNow()._tag === "running"))
      const state = stateNow()
      if (state._tag === "running") process.kill(state.pid, "SIGKILL")
    })
    yield* is(true)
    const ends: Array<number> = []
    for (const server of [hub.server, hub.server, alice.server]) {
      yield* kill(server)
      ends.push(yield* is(false))
      assert.isString(SubscriptionRef.getUnsafe(link).reason)
      yield* is(true)
    }
    assert.isBelow(median(ends), 1000, `${ends.map(Math.round).join(", ")} ms`)
    yield* hub.publish(subjects.logConversation("alice", "c1"), "after these deaths")
    yield* until("the mirror holds it", Effect.map(alice.held, (held) => held === 1))
  }))

it.live("a tls:// address never leads to a server without TLS", () =>
  Effect.gen(function*() {
    const hub = yield* makeHub()
    const { creds } = yield* admit(hub, "alice", "p1")
    const directory = yield* temporaryFolder
    const config = yield* openLeafConfig({ directory, instanceId: "p1", port: 0 })
    yield* config.pair({ urls: [`tls://127.0.0.1:${hub.leafPort}`], creds })
    const server = yield* startServer({ binary: yield* binary, configFile: config.configFile, runDir: directory })
    const link = yield* watchLeaf({ clientPort: server.clientPort, system: config.system })
    yield* until("it tried", Effect.map(server.lastLines, (lines) => lines.filter((line) => line.includes("Leafnode connection closed")).length >= 2))
    assert.isFalse(SubscriptionRef.getUnsafe(link).up)
    assert.strictEqual(yield* leafCount(hub), 0)
  }))

const openssl = "/usr/bin/openssl"
for (const scheme of ["tls", "wss"] as const) it.live.skipIf(!existsSync(openssl))(`${scheme}:// works with a certificate that is trusted, and not with another${existsSync(openssl) ? "" : " (skipped: no openssl)"}`, () =>
  Effect.gen(function*() {
    const folder = yield* temporaryFolder
    const tls = { certFile: join(folder, "cert.pem"), keyFile: join(folder, "key.pem") }
    execFileSync(openssl, ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tls.keyFile, "-out", tls.certFile, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" })
    const secrets = yield* makeHubSecrets
    const ports = { tls: yield* freePort, wss: yield* freePort }
    const everywhere = "0.0.0.0"
    const configFile = join(folder, "hub.conf")
    writeFileSync(configFile, yield* renderHubConfig(secrets, {
      serverName: "hub1",
      client: { port: -1 },
      leaf: { host: everywhere, port: ports.tls },
      webSocket: { host: everywhere, port: ports.wss },
      storeDir: join(folder, "store"),
      jwtDir: join(folder, "jwt"),
      tls
    }))
    const binaryPath = yield* binary
    yield* startServer({ binary: binaryPath, configFile, runDir: folder })
    const key = yield* makeTransportKey
    const token = yield* issueLeaf(peersSigner(secrets), { tenant: "alice", peer: "p1", transportKey: key.publicKey, expiresAt: Date.now() + 60_000, log: "LOG" })
    const local = (environment: Record<string, string>) =>
      Effect.gen(function*() {
        const directory = yield* temporaryFolder
        const config = yield* openLeafConfig({ directory, instanceId: "p1", port: 0 })
        yield* config.pair({ urls: [`${scheme}://localhost:${ports[scheme]}`], creds: credsFile(token, key.seed) })
        const server = yield* startServer({ binary: binaryPath, configFile: config.configFile, runDir: directory }).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: environment })))
        )
        return { server, link: yield* watchLeaf({ clientPort: server.clientPort, system: config.system }) }
      })
    const trusting = yield* local({ SSL_CERT_FILE: tls.certFile })
    yield* until("up", Effect.sync(() => SubscriptionRef.getUnsafe(trusting.link).up))
    const doubting = yield* local({})
    yield* until("it tried", Effect.map(doubting.server.lastLines, (lines) => lines.some((line) => line.includes("unknown authority"))))
    assert.isFalse(SubscriptionRef.getUnsafe(doubting.link).up)
  }))
