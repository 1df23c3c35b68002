// Goal: a copy of the log that is spoiled on one of three servers' disks costs a device nothing; a log in one stream comes back from its backup.
// Method: a bit of a message is flipped in a stopped server's block file, as a failing disk does it; the server that fed a device's mirror.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { peerConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import { type Cluster, makeCluster, type ServerPart } from "../support/cluster.ts"
import { blocksOf } from "../support/natsStore.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

const timeout = 400_000

let world: World
let cluster: Cluster
let hosted: Backend
let ada: Backend
let bob: Backend
let tenant: string
let spoiled: ServerPart

const importAs = async (conversation: string, contents: ReadonlyArray<string>) => {
  const line = JSON.stringify({ conversation_id: conversation, messages: contents.map((content, i) => ({ id: `m${i}`, role: "user", content })) })
  expect((await ada.http("POST", "/import", `${line}\n`)).status).toBe(200)
}
const contentsOf = async (backend: Backend): Promise<ReadonlyArray<string>> => {
  const { json, status } = await backend.http("GET", `/conversations/first${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
  return status === 200 ? json.messages.map(({ content }: { readonly content: string }) => content) : []
}
const statusOf = async (backend: Backend) => (await backend.http("GET", "/status")).json
const verified = async (backend: Backend) => (await backend.cli("verify", ...(backend.side === "hosted" ? ["--on", "hosted", "--tenant", tenant] : []))).code
const serversWith = (peer: string) => cluster.servers.filter((one) => one.holds(`obs/${peerConsumer.nameOf(peer)}`))

/** Flip a bit of a message in a stopped server's copy, and nothing else. */
const spoil = (server: ServerPart) => {
  const on = subjects.logConversation(tenant, "first")
  const block = blocksOf(join(cluster.dir, server.name, "store"), "LOG", on)[0]!
  const message = block.messages.filter(({ subject }) => subject === on)[2]!
  const bytes = readFileSync(block.file)
  const place = bytes.indexOf(message.body) + message.body.length - 60
  bytes[place] = bytes[place]! ^ 1
  writeFileSync(block.file, bytes)
}

beforeAll(async () => {
  world = await makeWorld()
  cluster = await makeCluster(world, 1)
  hosted = await world.hosted("hosted", { cluster: cluster.file, args: ["--syncs-per-minute", "1000000"] })
  ;[ada, bob] = await Promise.all([world.local("ada"), world.local("bob")])
  tenant = await world.pair(hosted, ada)
  await world.pair(hosted, bob)
  await importAs("first", ["a0", "a1", "a2"])
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
})

describe("a copy spoiled on one server's disk", { timeout }, () => {
  it("is left by the device that was fed from it", async () => {
    await cluster.whole()
    const { peer_id } = await statusOf(bob)
    const from = serversWith(peer_id)
    expect(from).toHaveLength(1)
    spoiled = from[0]!
    await bob.stop()
    // stopped in good order it does not look through its files when it starts again
    await spoiled.stop()
    spoil(spoiled)
    await spoiled.start()
    await cluster.whole()
    await bob.start()
    expect((await bob.cli("resync")).code).toBe(0)
    await until(() => hosted.log().includes("its mirror comes from another server now"), 90_000, () => bob.log().slice(-2000))
    await until(async () => (await statusOf(bob)).quarantined === 0 && (await verified(bob)) === 0, 60_000, () => bob.log().slice(-2000))
    expect(serversWith(peer_id).map(({ name }) => name)).not.toContain(spoiled.name)
    expect(await contentsOf(bob)).toEqual(["a0", "a1", "a2"])
    expect((await statusOf(hosted)).log_epoch).toBe(1)
  })
})
