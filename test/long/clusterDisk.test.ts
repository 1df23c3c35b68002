// Goal: a server of a cluster whose disk is nearly full takes nothing more before nats-server meets the end of it; everybody is told whose disk it is.
// Method: three servers, one of them on a small tmpfs; what runs beside each tells of its disk; filled, written against, and freed.
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Cluster, clusterHome, makeCluster } from "../support/cluster.ts"
import { canMount, cannotMount, makeSmallDisks, type SmallDisks } from "../support/smallDisks.ts"
import { agreed, type Backend, digestOf, makeWorld, until, type World } from "../support/world.ts"

const timeout = 180_000
const MiB = 1024 ** 2

let world: World
let disks: SmallDisks
let cluster: Cluster
let hosted: Backend
let local: Backend
let tenant: string
let small: string

interface Disks {
  readonly disk: { readonly state: string; readonly free_bytes: number }
  readonly server_disks: ReadonlyArray<{ readonly server: string; readonly state: string }>
}
const status = async () => (await hosted.http<Disks>("GET", "/status")).json
const say = async (content: string) => (await local.http("POST", "/conversations/disk/messages", { role: "user", content })).status

describe.skipIf(!canMount)(`a full disk in a cluster${cannotMount}`, () => {
  beforeAll(async () => {
    world = await makeWorld()
    small = join(clusterHome(world), "cluster", "hub-2")
    disks = await makeSmallDisks([small])
    cluster = await makeCluster(world, 1, disks)
    ;[hosted, local] = await Promise.all([world.hosted("hosted", { cluster: cluster.file }), world.local("a")])
    tenant = await world.pair(hosted, local)
    await say("before")
    await agreed(tenant, hosted, [local])
  }, timeout)
  afterAll(async () => {
    await world?.close()
    await cluster?.close()
    disks?.close()
  })

  it("refuses writes while there is still room, says whose disk it is, and goes on when it is freed", { timeout }, async () => {
    expect(await cluster.cli("status")).toMatchObject({ disks: [{ server: "hub-1", state: "ok" }, { server: "hub-2", state: "low" }, { server: "hub-3", state: "ok" }] })
    disks.fillTo(small, 32 * MiB)
    await until(async () => (await status()).disk.state === "full", 15_000, () => hosted.log().slice(-1500))
    expect((await status()).server_disks.filter(({ state }) => state === "full")).toMatchObject([{ server: "hub-2" }])
    await expect(cluster.cli("status")).rejects.toThrow("hub-2")
    // the person at the machine goes on; what is written waits there
    for (let i = 0; i < 20; i++) expect(await say(`meanwhile ${i}`)).toBe(201)
    await until(async () => Object.keys((await local.http<{ readonly retries: object }>("GET", "/debug")).json.retries).includes("busy"), 30_000)
    expect((await local.http("GET", "/status")).json.sentence).toContain("sending")
    expect((await digestOf(hosted, tenant)).messages).toBe(1)
    disks.free(small)
    expect((await agreed(tenant, hosted, [local])).messages).toBe(21)
    for (const server of cluster.servers) expect(server.log()).not.toMatch(/no space left|critical write error/i)
  })
})
