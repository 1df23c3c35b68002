// Goal: both backends speak docs/PROTOCOL.md, to phones of either make and to a client written in another language.
// Method: the conformance cases against a hosted and a local backend as ios and android; a Python script with the standard library and openssl.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { spawn, spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { cases } from "../conformance/cases.ts"
import { Client } from "../conformance/Client.ts"
import { MaestraError } from "../../src/sdk/typescript/problems.ts"
import { companionCode, openSurface, pairingCode } from "../support/companion.ts"
import { shown } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

const python = spawnSync("python3", ["--version"]).status === 0 && spawnSync("openssl", ["version"]).status === 0
const script = fileURLToPath(new URL("../conformance/client.py", import.meta.url))

let world: World
let hosted: Backend
let local: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted("hosted", { args: ["--syncs-per-minute", "10000"] })
  local = await world.local("a")
  tenant = await world.pair(hosted, local)
})
afterAll(() => world.close())

describe.each([["hosted", "ios"], ["local", "android"]] as const)("%s, to %s", (side, platform) => {
  let client: Client
  beforeAll(async () => {
    // nothing of before is still on its way when a case says that nothing is new
    await agreed(tenant, hosted, [local])
    client = side === "hosted"
      ? await Client.make(hosted.url(), await pairingCode(hosted, "ada"), platform)
      : await Client.make(local.url(), await companionCode(local), platform)
  })
  it.each(cases)("$name", ({ run }) => run(client))
})

describe("the SDK beyond the limit", () => {
  it("more syncs than a minute allows: it hears how long to wait, waits that long, and nothing is lost", async () => {
    const phone = await openSurface("android")
    phone.wire.cut.add(hosted.url())
    await phone.joinLocal(local.url(), await companionCode(local))
    let refused: unknown
    for (let n = 0; n < 400 && refused === undefined; n++) refused = await phone.sync().then(() => undefined, (cause: unknown) => cause)
    assert.instanceOf(refused, MaestraError)
    assert.deepInclude(refused, { kind: "later", status: 429, type: "urn:maestra:problem:rate-limited" })
    assert.isAbove((refused as MaestraError).retryMillis, 0)
    await phone.append("busy", { role: "user", content: "said while it had to wait" })
    phone.start()
    await until(async () => (await phone.get("busy"))?.messages[0]?.reached !== "here", 30_000)
    await phone.close()
    assert.deepStrictEqual((await shown(local, "busy", tenant)).messages.map(({ content }) => content), ["said while it had to wait"])
  })
})

describe.skipIf(!python)(`another language${python ? "" : " (skipped: no python3 or no openssl)"}`, () => {
  it.each(["hosted", "local"] as const)("a Python client pairs, registers, syncs both ways, reads events and streams telemetry: %s", async (side) => {
    await agreed(tenant, hosted, [local])
    const [url, code] = side === "hosted" ? [hosted.url(), await pairingCode(hosted, "ada")] : [local.url(), await companionCode(local)]
    const ran = await run([script, "--url", url, "--platform", "python"], code)
    assert.strictEqual(ran.code, 0, ran.text)
    const told = JSON.parse(ran.out.trim().split("\n").at(-1)!) as { readonly conversation: string; readonly events: number; readonly peer_id: string }
    assert.isAtLeast(told.events, 2)
    await agreed(tenant, hosted, [local])
    for (const backend of [hosted, local]) {
      assert.deepStrictEqual((await shown(backend, told.conversation, tenant)).messages.map(({ content }) => content), ["hello from Python, edited", "grüße, 世界 🐍"])
    }
  })
})

const run = (args: ReadonlyArray<string>, input: string): Promise<{ readonly code: number; readonly out: string; readonly text: string }> =>
  new Promise((done, failed) => {
    const child = spawn("python3", args, { stdio: ["pipe", "pipe", "pipe"] })
    let out = ""
    let err = ""
    child.stdout.on("data", (bytes: Buffer) => { out += bytes.toString() })
    child.stderr.on("data", (bytes: Buffer) => { err += bytes.toString() })
    child.once("error", failed)
    child.once("close", (code) => done({ code: code ?? -1, out, text: out + err }))
    child.stdin.end(input)
  })
