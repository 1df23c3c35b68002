import { NodeServices } from "@effect/platform-node"
import { Effect, Exit, Option, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { type AddressInfo, createServer } from "node:net"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { describe, expect, it } from "vitest"
import { runningIn } from "../../src/cli/backend.ts"
import { judge } from "../../src/cli/demo/agreement.ts"
import { keepTenant, openPlace, withFreePorts } from "../../src/cli/demo/place.ts"
import { announce, keptToken, refuseSecond } from "../../src/cli/serving/folder.ts"
import { leadsNowhere, leafUrlOf } from "../../src/cli/serving/network.ts"
import { freePort } from "../../src/cli/serving/ports.ts"
import { notStarted } from "../../src/cli/serving/serve.ts"
import { loopbackOnly, type Network } from "../../src/hosted/Hub.ts"
import { openKeyFile } from "../../src/security/keyFile.ts"
import { secretKey } from "../../src/security/secretKey.ts"
import { leaveTraces, startFakeBackend } from "../support/FakeBackend.ts"
import { runCli, withFolder } from "../support/runCli.ts"

// Goal: what `up` and `demo` leave on the disk is for this user alone, survives restarts, and fools nobody after a crash.
// Method: the parts that touch the disk, in folders of their own; the real backends are tested in test/integration.

const run = <A, E>(effect: Effect.Effect<A, E, NodeServices.NodeServices>) => Effect.runPromise(Effect.provide(effect, NodeServices.layer))
const modeOf = (file: string) => statSync(file).mode & 0o777

describe("the folder of a backend", () => {
  it("keeps one token between runs, readable by this user alone", () =>
    withFolder(async (dir) => {
      const first = await run(keptToken("local", dir))
      expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/)
      expect(modeOf(join(dir, "token"))).toBe(0o600)
      expect(await run(keptToken("local", dir))).toBe(first)
      expect(await run(keptToken("hosted", dir))).not.toBe(first)
    }))

  it("has a runtime.json while it serves, and none after", () =>
    withFolder(async (dir) => {
      const runtime = { pid: process.pid, url: "http://127.0.0.1:1", started_at: "2026-11-22T10:00:00.000Z" }
      const during = await run(Effect.scoped(Effect.gen(function*() {
        yield* announce(dir, runtime)
        return { mode: modeOf(join(dir, "runtime.json")), running: yield* runningIn(dir) }
      })))
      expect(during).toEqual({ mode: 0o600, running: Option.some(runtime) })
      expect(existsSync(join(dir, "runtime.json"))).toBe(false)
    }))

  it("lets no second backend in, but is not fooled by what a crash left", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const dir = join(dataDir, "local")
      const refused = await run(Effect.flip(refuseSecond("local", dir)))
      expect(refused.sentence).toContain(`already runs at ${backend.url} (pid ${process.pid})`)
      await backend.stop()
      // the process id lives on in another program that serves nothing here
      expect(Exit.isSuccess(await run(Effect.exit(refuseSecond("local", dir))))).toBe(true)
      leaveTraces(dir, "local", backend.url, 2 ** 22 + 1)
      expect(await run(runningIn(dir))).toEqual(Option.none())
    }))

  it("picks a free port, and says when the one asked for is taken", async () => {
    const picked = await run(freePort(0, "--port"))
    // not one that any outgoing connection may take before it is listened on
    expect([picked > 1023, picked < 32_768]).toEqual([true, true])
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const { port } = server.address() as AddressInfo
    const refused = await run(Effect.flip(freePort(port, "--leaf-port")))
    server.close()
    expect(refused.sentence).toContain(`port ${port} is taken`)
    expect(refused.hint).toContain("--leaf-port")
  })

  it("tells devices an address they can link at, or that there is none", () => {
    const inFront = "https://sync.example.org"
    const tls = { certFile: "tls.crt", keyFile: "tls.key" }
    const linked = (publicUrl: string, network: Partial<Network>) => {
      const url = leafUrlOf(publicUrl, 7422, { ...loopbackOnly, ...network })
      return [url, leadsNowhere(url, { ...loopbackOnly, ...network })]
    }
    expect(linked("http://127.0.0.1:8826", {})).toEqual(["nats-leaf://127.0.0.1:7422", false])
    expect(linked(inFront, { tls })).toEqual(["tls://sync.example.org:7422", false])
    expect(linked(inFront, { tls, webSocketPort: 8443 })).toEqual(["tls://sync.example.org:7422", false])
    expect(linked(inFront, { webSocketPort: 8443 })).toEqual(["wss://sync.example.org", false])
    expect(linked(`${inFront}:444`, { webSocketPort: 8443 })).toEqual(["wss://sync.example.org:444", false])
    expect(linked(inFront, {})).toEqual(["tls://sync.example.org:7422", true])
    expect(linked("http://10.0.0.2:8826", { plainAllowed: true })).toEqual(["nats-leaf://10.0.0.2:7422", false])
  })

  it("says why a start failed, in the words of the part that failed", () => {
    expect(notStarted("local", { _tag: "PortTaken", hint: "Stop it." })).toMatchObject({ type: "PortTaken", sentence: "the local backend did not start: port taken", hint: "Stop it." })
    const taken = Object.assign(new Error("listen EADDRINUSE"), { code: "EADDRINUSE" })
    expect(notStarted("local", { _tag: "ServeError", cause: taken })).toMatchObject({ type: "port-taken", hint: expect.stringContaining("--port") })
    expect(notStarted("hosted", { _tag: "X", why: "it is so", hint: "" })).toMatchObject({ sentence: "the hosted backend did not start: it is so" })
  })
})

describe("the demo's folder", () => {
  it("keeps keys, ports and tenant for the next start, for this user alone", () =>
    withFolder(async (dir) => {
      const first = await run(Effect.flatMap(openPlace(dir), (place) => keepTenant(place, "t_abcdefghijklmnop")))
      const second = await run(openPlace(dir))
      expect(modeOf(join(dir, "demo.json"))).toBe(0o600)
      expect([first.isNew, second.isNew]).toEqual([true, false])
      expect({ ...second, isNew: true, folder: first.folder }).toEqual(first)
      expect(Buffer.from(second.master_key, "base64url")).toHaveLength(32)
      expect(new Set(Object.values(second.ports)).size).toBe(4)
    }))

  it("gives a device another port where somebody else has taken its own since", () =>
    withFolder(async (dir) => {
      const { ports } = await run(openPlace(dir))
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(ports.laptop, "127.0.0.1", resolve))
      const now = await run(Effect.flatMap(openPlace(dir), withFreePorts)).finally(() => server.close())
      expect(now.ports).toEqual({ ...ports, laptop: expect.any(Number) as number })
      expect(now.ports.laptop).not.toBe(ports.laptop)
      expect((await run(openPlace(dir))).ports).toEqual(now.ports)
    }))

  it("does not guess when its file is damaged", () =>
    withFolder(async (dir) => {
      writeFileSync(join(dir, "demo.json"), "{")
      expect((await run(Effect.flip(openPlace(dir)))).hint).toContain("begin anew")
      expect(readFileSync(join(dir, "demo.json"), "utf8")).toBe("{")
    }))

  it("names who lags behind the fullest", () => {
    const holding = (name: string, messages: number, digest: string) => ({ name, backend_id: name, conversations: 1, messages, digest })
    expect(judge([holding("hosted", 5, "a"), holding("laptop", 5, "a"), holding("desktop", 5, "a")])).toMatchObject({ equal: true, lagging: [] })
    expect(judge([holding("hosted", 3, "b"), holding("laptop", 5, "a"), holding("desktop", 5, "a")]).lagging).toEqual(["hosted (3 of 5 messages)"])
    expect(judge([holding("hosted", 5, "a"), holding("laptop", 5, "a"), holding("desktop", 5, "c")]).lagging).toEqual(["desktop (5 of 5 messages)"])
  })
})

describe("doctor", () => {
  it("says what to do, and fails where something does", () =>
    withFolder(async (dataDir) => {
      const backend = await startFakeBackend({ dataDir })
      const env = { MAESTRA_KEYSTORE_PASSPHRASE: "secret words", MAESTRA_MASTER_KEY: "too short", NATS_SERVER: "/nowhere/nats-server" }
      const { code, stdout } = await runCli(["doctor", "--json"], { dataDir, env })
      await backend.stop()
      const { checks, ok }: { checks: ReadonlyArray<{ name: string; level: string; todo?: string }>; ok: boolean } = JSON.parse(stdout)
      const levels = Object.fromEntries(checks.map(({ level, name }) => [name, level]))
      expect(levels).toMatchObject({ node: "ok", "nats-server": "warn", "data folder": "warn", keys: "ok", "master key": "fail", "local backend": "ok", pairing: "ok", link: "ok", clock: "warn" })
      expect(checks.filter(({ level }) => level !== "ok").every(({ todo }) => todo !== undefined && todo !== "")).toBe(true)
      expect(stdout).not.toContain("secret words")
      expect(ok).toBe(false)
      expect(code).toBe(1)
    }))

  it("tries the secrets that are set on the files they are for", () =>
    withFolder(async (dataDir) => {
      const [right, wrong] = [randomBytes(32), randomBytes(32).toString("base64url")]
      const files = { master: join(dataDir, "hosted/keys.json"), passphrase: join(dataDir, "local/keystore.json") }
      await run(Effect.flatMap(openKeyFile(files.master, { kind: "master", key: secretKey(right), from: "" }), (keystore) => keystore.set("a", Redacted.make("s"))))
      await run(Effect.flatMap(openKeyFile(files.passphrase, { kind: "passphrase", passphrase: Redacted.make("right words"), from: "" }), (keystore) => keystore.set("a", Redacted.make("s"))))
      writeFileSync(join(dataDir, "wrong"), wrong)
      const env = { MAESTRA_KEYSTORE_PASSPHRASE: "wrong words", MAESTRA_MASTER_KEY_FILE: join(dataDir, "wrong"), NATS_SERVER: "/nowhere/nats-server" }
      const { checks }: { checks: ReadonlyArray<{ name: string; level: string; detail: string; todo?: string }> } = JSON.parse((await runCli(["doctor", "--json"], { dataDir, env })).stdout)
      expect(checks).toContainEqual({ level: "fail", name: "keys", detail: `the passphrase in MAESTRA_KEYSTORE_PASSPHRASE does not open ${files.passphrase}`, todo: expect.stringContaining("MAESTRA_KEYSTORE_PASSPHRASE") })
      expect(checks).toContainEqual({ level: "fail", name: "master key", detail: `the master key in ${join(dataDir, "wrong")} (MAESTRA_MASTER_KEY_FILE) does not open ${files.master}`, todo: expect.stringContaining("MAESTRA_MASTER_KEY") })
    }))
})

describe("maestra.sh", () => {
  const script = fileURLToPath(new URL("../../src/cli/maestra.sh", import.meta.url))
  const executable = { mode: 0o755 }

  /** A package as npm lays it out, with a `node` that says how it was called. */
  const packageIn = (folder: string) => {
    mkdirSync(join(folder, "package/src/cli"), { recursive: true })
    mkdirSync(join(folder, "bin"))
    copyFileSync(script, join(folder, "package/src/cli/maestra.sh"))
    symlinkSync("../package/src/cli/maestra.sh", join(folder, "bin/linked"))
    symlinkSync(join(folder, "bin/linked"), join(folder, "bin/maestra"))
    return join(folder, "package")
  }
  const call = (folder: string, path = "/usr/bin:/bin") => spawnSync(join(folder, "bin/maestra"), ["list", "a b"], { encoding: "utf8", env: { PATH: path } })

  it("runs the package's own node with a small heap, through symbolic links", () =>
    withFolder(async (folder) => {
      const root = packageIn(folder)
      mkdirSync(join(root, "node_modules/.bin"), { recursive: true })
      writeFileSync(join(root, "node_modules/.bin/node"), `#!/bin/sh\nprintf '%s|' "$@"\nexit 4\n`, executable)
      const { status, stdout } = call(folder)
      expect(stdout).toBe(`--max-semi-space-size=8|--heap-growing-percent=50|${root}/src/cli/main.ts|list|a b|`)
      expect(status).toBe(4)
    }))

  it("refuses a node that is too old, and says what to do", () =>
    withFolder(async (folder) => {
      packageIn(folder)
      mkdirSync(join(folder, "old"))
      writeFileSync(join(folder, "old/node"), `#!/bin/sh\n[ "$1" = -p ] && echo 20 || echo v20.1.0\n`, executable)
      const { status, stderr } = call(folder, `${folder}/old:/usr/bin:/bin`)
      expect(stderr).toContain("needs Node 24, and `node` is v20.1.0; run `npm ci`")
      expect(status).toBe(1)
    }))
})

describe("a backend that is told to stop", () => {
  it("is ended when a part of it does not stop, and says so", async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("../support/neverStops.ts", import.meta.url))], { stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    child.stderr.on("data", (text: Buffer) => { said += text.toString() })
    child.stdout.once("data", () => child.kill("SIGTERM"))
    const [, signal] = await once(child, "close")
    expect(said).toContain("the stubborn backend did not stop within 0.3 s and is ended")
    expect(signal).toBe("SIGKILL")
  })
})
