// Goal: a copy of the log that is spoiled on one of three servers' disks costs a device nothing, and is named; what all three
// lost is noticed by hosted and sent again by who wrote it; a log in one stream comes back from its backup, a spoiled one too.
// Method: a bit of a message is flipped in a stopped server's block file, as a failing disk does it: first on the server that
// fed a device's mirror, then on all of them, one after the other.
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { peerConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { type Cluster, clusterHome, makeCluster, type ServerPart } from "../support/cluster.ts"
import { blocksOf } from "../support/natsStore.ts"
import { agreed, type Backend, maestra, makeWorld, pidIn, run, until, type World } from "../support/world.ts"

const timeout = 400_000

interface Spoiled {
  readonly server: string
  readonly first_seq: number
  readonly missing: number
  readonly other: number
}
interface Verified {
  readonly equal: boolean
  readonly messages: number
  readonly streams: ReadonlyArray<{ readonly stream: string; readonly messages: number; readonly servers: ReadonlyArray<string>; readonly spoiled: ReadonlyArray<Spoiled> }>
}

let world: World
let cluster: Cluster
let hosted: Backend
let ada: Backend
let bob: Backend
let tenant: string
let spoiled: ServerPart
/** The sequence of what was spoiled there. */
let place: number

const importAs = async (conversation: string, contents: ReadonlyArray<string>) => {
  const line = JSON.stringify({ conversation_id: conversation, messages: contents.map((content, i) => ({ id: `m${i}`, role: "user", content })) })
  expect((await ada.http("POST", "/import", `${line}\n`)).status).toBe(200)
}
const contentsOf = async (backend: Backend, conversation = "first"): Promise<ReadonlyArray<string>> => {
  const { json, status } = await backend.http("GET", `/conversations/${conversation}${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
  return status === 200 ? json.messages.map(({ content }: { readonly content: string }) => content) : []
}
const statusOf = async (backend: Backend) => (await backend.http("GET", "/status")).json
const verifyOn = (backend: Backend) => backend.cli("verify", ...(backend.side === "hosted" ? ["--on", "hosted", "--tenant", tenant] : []))
const verified = async (backend: Backend) => (await verifyOn(backend)).code
const serversWith = (peer: string) => cluster.servers.filter((one) => one.holds(`obs/${peerConsumer.nameOf(peer)}`))
/** `maestra hosted cluster verify`: its exit code, and what it found. */
const compared = async () => {
  const { code, err, out } = await run([maestra, "hosted", "cluster", "verify", "--json"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: clusterHome(world) })
  if (out === "") throw new Error(err)
  return { code, err, found: JSON.parse(out) as Verified }
}

/** Flip a bit of a message in a server's copy, and nothing else. Stopped in good order it does not look through its files when it starts again. */
const spoil = async (server: ServerPart, conversation: string): Promise<number> => {
  await cluster.whole()
  await server.stop()
  const on = subjects.logConversation(tenant, conversation)
  const block = blocksOf(join(cluster.dir, server.name, "store"), "LOG", on)[0]!
  const message = block.messages.filter(({ subject }) => subject === on)[2]!
  const bytes = readFileSync(block.file)
  const at = bytes.indexOf(message.body) + message.body.length - 60
  bytes[at] = bytes[at]! ^ 1
  writeFileSync(block.file, bytes)
  await server.start()
  await cluster.whole()
  return Number(message.seq)
}

/** As on a busy machine: two of a new cluster's servers do nothing for longer than JetStream's API is waited for, once the third leads. */
const standStill = async (dir: string) => {
  const names = ["hub-1", "hub-2", "hub-3"]
  const leads = (name: string) => existsSync(join(dir, name, "nats-server.log")) && readFileSync(join(dir, name, "nats-server.log"), "utf8").includes("Self is new JetStream cluster metadata leader")
  await until(() => names.some(leads), 60_000)
  const pids = names.filter((name) => !leads(name)).map((name) => pidIn(join(dir, name)))
  for (const pid of pids) process.kill(pid, "SIGSTOP")
  await new Promise((wait) => setTimeout(wait, 8000))
  for (const pid of pids) process.kill(pid, "SIGCONT")
}

beforeAll(async () => {
  world = await makeWorld()
  cluster = await makeCluster(world, 1)
  hosted = await world.hosted("hosted", { cluster: cluster.file, args: ["--syncs-per-minute", "1000000"] })
  ;[ada, bob] = await Promise.all([world.local("ada"), world.local("bob")])
  tenant = await world.pair(hosted, ada)
  await world.pair(hosted, bob)
  for (const conversation of ["first", "second"]) await importAs(conversation, ["a0", "a1", "a2"])
  for (let i = 0; i < 20; i++) await importAs(`more-${i}`, Array.from({ length: 20 }, (_, n) => `${n} of ${i}`))
  await agreed(tenant, hosted, [ada, bob])
}, timeout)
afterAll(async () => {
  await world.close()
  await cluster.close()
})

describe("a cluster of one partition", { timeout }, () => {
  it("comes back from its backup", async () => {
    const out = join(world.dir, "backup")
    await cluster.cli("backup", "--out", out)
    expect(await cluster.cli("restore", "--from", out, "--data-dir", join(world.dir, "elsewhere"))).toMatchObject({ streams: expect.arrayContaining(["LOG", "KV_TENANTS"]) })
  })

  it("has the same on every server", async () => {
    const { code, err, found } = await compared()
    expect([code, found.equal], err).toEqual([0, true])
    expect(found.streams.map(({ spoiled, stream }) => [stream, spoiled])).toEqual(["LOG", "TELEMETRY", "AUDIT", "ALERTS", "KV_TENANTS"].map((stream) => [stream, []]))
    for (const { servers } of found.streams) expect(servers).toEqual(["hub-1", "hub-2", "hub-3"])
    expect(found.streams[0]!.messages).toBeGreaterThan(400)
  })
})

describe("a copy spoiled on one server's disk", { timeout }, () => {
  it("is left by the device that was fed from it", async () => {
    const { peer_id } = await statusOf(bob)
    const from = serversWith(peer_id)
    expect(from).toHaveLength(1)
    spoiled = from[0]!
    await bob.stop()
    place = await spoil(spoiled, "first")
    await bob.start()
    expect((await bob.cli("resync")).code).toBe(0)
    await until(() => hosted.log().includes("its mirror comes from another server now"), 90_000, () => bob.log().slice(-2000))
    await until(async () => (await statusOf(bob)).quarantined === 0 && (await verified(bob)) === 0, 60_000, () => bob.log().slice(-2000))
    expect(serversWith(peer_id).map(({ name }) => name)).not.toContain(spoiled.name)
    expect(await contentsOf(bob)).toEqual(["a0", "a1", "a2"])
    expect((await statusOf(hosted)).log_epoch).toBe(1)
  })

  it("is named, with its place, and given an empty disk it is as the others", async () => {
    const { code, err, found } = await compared()
    expect([code, found.equal]).toEqual([1, false])
    expect(err).toContain(spoiled.name)
    expect(found.streams.flatMap(({ spoiled, stream }) => spoiled.map((one) => ({ stream, ...one })))).toEqual([{ stream: "LOG", server: spoiled.name, first_seq: place, missing: 1, other: 0 }])
    await spoiled.stop()
    spoiled.wipe()
    await spoiled.start()
    await cluster.whole()
    const after = await compared()
    expect([after.code, after.found.equal], JSON.stringify(after.found)).toEqual([0, true])
    expect(after.found.messages).toBeGreaterThanOrEqual(found.messages)
  })
})

describe("a message spoiled on all three", { timeout }, () => {
  it("is the same on every server, and found by `verify` on hosted: a new epoch begins, and who wrote it sends it again", async () => {
    const before = (await statusOf(hosted)).log_epoch
    for (const server of cluster.servers) await spoil(server, "second")
    expect((await compared()).found.equal).toBe(true)
    expect((await verifyOn(hosted)).code).toBe(1)
    await until(async () => (await statusOf(hosted)).log_epoch === before + 1, 60_000, () => hosted.log().slice(-2000))
    expect(hosted.log()).toContain("the log lost something that was committed")
    await agreed(tenant, hosted, [ada, bob])
    // whoever reads the log from its beginning has all of it
    expect((await hosted.cli("rebuild", "--on", "hosted")).code).toBe(0)
    const cat = await world.local("cat")
    await world.pair(hosted, cat)
    for (const backend of [hosted, ada, bob, cat]) {
      await until(async () => (await contentsOf(backend, "second")).join() === "a0,a1,a2", 60_000, () => `${backend.name}\n${backend.log().slice(-2000)}`)
    }
    await agreed(tenant, hosted, [ada, bob, cat])
    expect((await statusOf(hosted)).log_epoch).toBe(before + 1)
  })

  it("is no reason not to restore its backup onto three servers, though two of them stand still as it begins", async () => {
    const out = join(world.dir, "spoiled")
    await cluster.cli("backup", "--out", out)
    const messages = (await compared()).found.streams[0]!.messages
    const dir = join(world.dir, "once more")
    const [{ events }] = await Promise.all([cluster.cli<{ readonly events: number }>("restore", "--from", out, "--data-dir", dir), standStill(join(dir, "cluster"))])
    expect(events).toBe(messages)
  })
})
