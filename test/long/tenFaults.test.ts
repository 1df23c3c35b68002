// Goal: whoever meets one of the ten usual faults finds its cause and its cure with `status`, `doctor` and `debug` alone.
// Method: cause each fault on real backends, run the commands as a person would, and look for the words that lead to the cure.
// The full disk has its words in diskFull.test.ts, which has the small disks for it.
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { peerConsumer, relayConsumer, streams } from "../../streams/definitions.ts"
import { callJetStream } from "../support/faults/jetstream.ts"
import { done, statusOf } from "../support/linked.ts"
import { agreed, type Backend, maestra, makeWorld, run, until, type World } from "../support/world.ts"

const timeout = 120_000

let world: World
let hosted: Backend
/** Its clock can be set. */
let a: Backend
let b: Backend
let tenant: string
let clock: string

const say = (backend: Backend, content: string) => done(backend, "POST", "/conversations/c/messages", { role: "user", content })
/** Everything a person sees with one command. */
const told = async (backend: Backend, ...words: ReadonlyArray<string>): Promise<string> => {
  const { err, out } = await backend.cli(...words)
  return out + err
}
const eventually = async (backend: Backend, words: ReadonlyArray<string>, pattern: RegExp) => {
  let last = ""
  await until(async () => pattern.test(last = await told(backend, ...words)), timeout, () => `${words.join(" ")} does not say ${pattern}:\n${last}`)
}
/** A start that must not succeed, in a folder of its own. */
const start = async (name: string, env: Readonly<Record<string, string>>, port = "0") => {
  const home = join(world.dir, name)
  mkdirSync(home)
  const { code, err } = await run([maestra, "local", "up", "--port", port], { PATH: process.env["PATH"], HOME: home, ...world.secrets, MAESTRA_DATA_DIR: home, ...env })
  expect(code).toBe(1)
  return err
}

beforeAll(async () => {
  world = await makeWorld()
  clock = join(world.dir, "clock")
  writeFileSync(clock, "0")
  hosted = await world.hosted()
  a = await world.local("a", { env: { MAESTRA_CLOCK_OFFSET_FILE: clock } })
  b = await world.local("b")
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  await say(a, "before")
  await agreed(tenant, hosted, [a, b])
}, timeout)
afterAll(() => world.close())

describe("what a person is told of", () => {
  it("a wrong clock", { timeout }, async () => {
    writeFileSync(clock, "45000")
    await eventually(a, ["doctor"], /clock of this machine.*45 s ahead of hosted|45 s ahead of hosted/)
    await eventually(a, ["status"], /clock of this machine is 4\d s away/)
    expect(await told(a, "doctor")).toMatch(/time synchronisation on/)
    writeFileSync(clock, "0")
    await until(async () => !(await told(a, "doctor")).includes("ahead of hosted"), timeout)
  })

  it("a consumer deleted by hand: it is made again, and nothing is left to say", { timeout }, async () => {
    const { peer_id } = await statusOf(b)
    expect(await callJetStream(world, hosted, `CONSUMER.DELETE.${streams.log.name}.${peerConsumer.nameOf(peer_id ?? "")}`)).toContain("\"success\":true")
    expect(await callJetStream(world, b, `CONSUMER.DELETE.${relayConsumer.stream}.${relayConsumer.name}`)).toContain("\"success\":true")
    await say(a, "after the consumer was deleted")
    await agreed(tenant, hosted, [a, b])
    expect(await told(b, "status")).toContain("in step")
    expect(await told(b, "doctor")).toMatch(/local streams\s+\d+ checks inside are fine/)
  })

  it("a stream whose settings somebody changed", { timeout }, async () => {
    const info = JSON.parse(await callJetStream(world, b, "STREAM.INFO.TELEMETRY_OUT")) as { readonly config: object }
    expect(await callJetStream(world, b, "STREAM.UPDATE.TELEMETRY_OUT", JSON.stringify({ ...info.config, max_bytes: 1_000_000 }))).not.toContain("\"error\"")
    expect(await told(b, "doctor")).toMatch(/local stream TELEMETRY_OUT\s+has other settings than its row: max_bytes[\s\S]*Start the backend again/)
  })

  it("tables that are damaged", { timeout }, async () => {
    await b.stop()
    writeFileSync(join(b.dir, "local.sqlite"), "this is no database, and far too short to be one ".repeat(100))
    const { code, err } = await run([maestra, "local", "up", "--port", "0"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: b.home })
    expect(code).toBe(1)
    expect(err).toMatch(/the tables in .*local\.sqlite cannot be used/)
    expect(err).toMatch(/delete|remove/i)
    writeFileSync(join(b.dir, "local.sqlite"), "")
    await b.start()
    await agreed(tenant, hosted, [a, b])
  })

  it("a hub that is gone, and a session that ended meanwhile", { timeout }, async () => {
    await hosted.stop()
    await eventually(a, ["status"], /offline since/)
    expect(await told(a, "doctor")).toMatch(/link\s+offline since[\s\S]*whether hosted runs/)
    expect(await told(a, "debug")).toMatch(/"link": "down"/)
    writeFileSync(clock, String(9 * 3_600_000))
    await eventually(a, ["debug"], /"sbt_status": "expired"/)
    expect(await told(a, "doctor")).toMatch(/local session\s+ended at[\s\S]*renews by itself/)
    writeFileSync(clock, "0")
    await hosted.start()
    await agreed(tenant, hosted, [a, b])
  })

  it("a machine that was revoked", { timeout }, async () => {
    const { peer_id } = await statusOf(b)
    expect((await hosted.cli("hosted", "revoke", peer_id ?? "")).code).toBe(0)
    await say(b, "too late")
    await eventually(b, ["status"], /needs you:.*revoked/)
    expect(await told(b, "doctor")).toMatch(/revoked/)
    expect(await told(hosted, "debug", peer_id ?? "", "--on", "hosted")).toMatch(/"sbt_status": "revoked"/)
  })

  it("a port that is taken", { timeout }, async () => {
    const server = createServer()
    await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready))
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    expect(await start("port", {}, String(port))).toMatch(new RegExp(`port ${port} is taken by another program[\\s\\S]*--port`))
    server.close()
  })

  it("a nats-server that is too old", { timeout }, async () => {
    const old = join(world.dir, "old-nats-server")
    writeFileSync(old, "#!/bin/sh\necho 'nats-server: v2.10.7'\n")
    chmodSync(old, 0o755)
    expect(await start("old", { NATS_SERVER: old })).toMatch(/2\.10\.7[\s\S]*2\.15\.1/)
  })

  it("a keychain that is locked", { timeout }, async () => {
    expect(await start("locked", { MAESTRA_KEYSTORE_PASSPHRASE: "", DBUS_SESSION_BUS_ADDRESS: "unix:path=/nonexistent" })).toMatch(/keychain[\s\S]*MAESTRA_KEYSTORE_PASSPHRASE/)
  })
})
