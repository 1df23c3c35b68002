// Goal: on three servers with two hosted processes nothing acknowledged is lost or doubled, whichever one of them goes.
// Method: real processes under load: a hosted process killed, a server killed and its disk wiped, all three restarted in turn, all disks lost.
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { peerConsumer } from "../../streams/definitions.ts"
import { type Cluster, clusterHome, makeCluster } from "../support/cluster.ts"
import { issuerOf } from "../../src/nats/signingKeys.ts"
import { isHidden } from "../support/linked.ts"
import { whole } from "../support/load.ts"
import { stolenCreds } from "../support/rawPeer.ts"
import { agreed, type Backend, digestOf, maestra, makeWorld, run, until, type World } from "../support/world.ts"
import { type Acknowledged, missing, type Writing, writing } from "../support/writing.ts"

const timeout = 180_000
const partitions = 2
/** A dead hosted process's work is taken over within this. */
const takeoverMax = 5000

let world: World
let cluster: Cluster
let first: Backend
let second: Backend
let a: Backend
let b: Backend
let tenant: string
const acknowledged: Array<Acknowledged> = []

beforeAll(async () => {
  world = await makeWorld()
  cluster = await makeCluster(world, partitions)
  const joining = { cluster: cluster.file, args: ["--syncs-per-minute", "1000000"] }
  ;[first, second, a, b] = await Promise.all([world.hosted("first", joining), world.hosted("second", joining), world.local("a"), world.local("b")])
  tenant = await world.pair(first, a)
  await world.pair(second, b)
  await agreed(tenant, first, [a, b])
}, timeout)
afterAll(async () => {
  await world.close()
  await cluster.close()
})

interface Rotated { readonly status: string; readonly key_id: string; readonly previous_key_id: string }
/** How often a machine's link ended, but for missed pings, by its own server's log. */
const linkEnded = (local: Backend) => [...readFileSync(join(local.dir, "nats/nats-server.log"), "utf8").matchAll(/Leafnode connection closed: (.*?) - Remote/g)].filter(([, why]) => why !== "Stale Connection").length

/** While both locals write: commits come from each before it, and again after it. */
const underLoad = async (happens: () => Promise<void>): Promise<ReadonlyArray<Writing>> => {
  const loads = [writing(a), writing(b)]
  const commits = (more: number) => {
    const wanted = loads.map(({ commits }) => commits() + more)
    return until(() => loads.every(({ commits }, i) => commits() >= wanted[i]!), 60_000, () => `no commits: ${a.log().slice(-1500)}`)
  }
  await commits(3)
  await happens()
  await commits(3)
  await Promise.all(loads.map((load) => load.stop()))
  acknowledged.push(...loads.flatMap((load) => load.acknowledged))
  return loads
}

const expectWhole = async () => {
  const result = await whole(tenant, first, [a, b])
  expect(result).toMatchObject({ appended: acknowledged.length, problems: [], doubled: [] })
  await until(async () => (await digestOf(second, tenant)).digest === result.digest, 20_000, () => "the second hosted process shows something else")
  for (const backend of [first, second, a, b]) expect(await missing(backend, tenant, acknowledged)).toEqual([])
}

describe("a cluster", () => {
  it("has one audit, one chain for each tenant, whichever process writes", { timeout }, async () => {
    await Promise.all(Array.from({ length: 12 }, (_, i) => (i % 2 === 0 ? first : second).http("POST", "/enroll", { user: "ada" })))
    const checked = (await second.http("POST", "/audit/verify")).text.trimEnd().split("\n").at(-1)!
    const { result } = JSON.parse(checked) as { readonly result: { readonly ok: boolean; readonly chains: ReadonlyArray<{ readonly tenant: string | null; readonly last: number }> } }
    expect(result.ok).toBe(true)
    // made, two codes and two registrations, and these
    expect(result.chains.find((chain) => chain.tenant === tenant)?.last).toBeGreaterThanOrEqual(5 + 12)
  })

  it("goes on when a hosted process is killed, within five seconds", { timeout }, async () => {
    const loads = await underLoad(() => second.kill())
    for (const { longest } of loads) expect(longest.commit).toBeLessThan(takeoverMax)
    await second.start()
    await expectWhole()
  })

  it("goes on without a server, the one that fed a mirror, and fills its wiped disk again", { timeout }, async () => {
    const { peer_id } = (await a.http("GET", "/status")).json
    const server = cluster.servers.find((one) => one.holds(`obs/${peerConsumer.nameOf(peer_id)}`))!
    await underLoad(async () => {
      await server.kill()
      server.wipe()
    })
    // its consumer had one replica: it is made again elsewhere, and the mirror goes on without a hole
    await agreed(tenant, first, [a, b])
    expect(cluster.servers.filter((one) => one.holds(`obs/${peerConsumer.nameOf(peer_id)}`))).toHaveLength(1)
    await server.start()
    await cluster.whole()
    await expectWhole()
  })

  it("replaces the signing key of links by its admin role, whichever process is asked; links stand, and an admin role that was away makes it good", { timeout }, async () => {
    const issuers = () => [a, b].map((local) => issuerOf(stolenCreds(local).jwt))
    const [before] = issuers()
    expect(issuers()).toEqual([before, before])
    const standing = [a, b].map(linkEnded)
    await underLoad(async () => {
      const { json } = await second.http<Rotated>("POST", "/keys/rotate", { which: "nats" })
      expect([json.status, json.previous_key_id]).toEqual(["rotated", before])
      await until(() => issuers().every((issuer) => issuer === json.key_id), 30_000, () => issuers().join())
    })
    expect([a, b].map(linkEnded)).toEqual(standing)
    await cluster.admin.kill()
    expect((await first.http<Rotated>("POST", "/keys/rotate", { which: "nats" })).json.status).toBe("pending")
    const [present] = issuers()
    await cluster.admin.start()
    await until(() => issuers().every((issuer) => issuer !== present), 60_000, () => cluster.admin.log().slice(-1500))
    for (const hosted of [first, second]) {
      const { keys } = (await hosted.http<{ readonly keys: ReadonlyArray<{ readonly kind: string; readonly status: string }> }>("GET", "/keys")).json
      expect(keys.filter(({ kind }) => kind === "nats").map(({ status }) => status)).toEqual(["in_grace", "in_grace", "current"])
    }
    expect([a, b].map(linkEnded)).toEqual(standing)
  })

  it("goes on while all three servers are restarted, one after the other", { timeout }, async () => {
    const { streams } = await cluster.cli<{ readonly streams: ReadonlyArray<{ readonly stream: string; readonly whole: boolean }> }>("status")
    expect(streams.filter(({ whole }) => whole).map(({ stream }) => stream)).toEqual(["LOG_0", "LOG_1", "TELEMETRY", "AUDIT", "ALERTS", "KV_TENANTS"])
    await underLoad(async () => {
      for (const server of cluster.servers) {
        await server.stop()
        await server.start()
        await cluster.whole()
      }
    })
    await expectWhole()
  })

  it("is backed up while it runs, and comes back from three empty disks in a new epoch, with what was written since", { timeout }, async () => {
    const out = join(world.dir, "backup")
    const { sets } = await cluster.cli<{ readonly sets: ReadonlyArray<string> }>("backup", "--out", out)
    expect(readdirSync(join(out, sets[0]!)).filter((name) => name.startsWith("LOG_"))).toEqual(["LOG_0.snapshot", "LOG_1.snapshot"])
    const before = (await first.http("GET", "/status")).json.log_epoch
    // not in the backup: the devices have it, and one hosted process
    await underLoad(async () => {})
    await agreed(tenant, first, [a, b])
    await Promise.all([first.stop(), second.stop(), cluster.admin.stop(), ...cluster.servers.map((server) => server.stop())])
    for (const server of cluster.servers) server.wipe()
    const restored = await cluster.cli<{ readonly log_epoch: number; readonly events: number }>("restore", "--from", out)
    expect(restored.log_epoch).toBeGreaterThan(before)
    expect(restored.events).toBeGreaterThan(0)
    await Promise.all(cluster.servers.map((server) => server.start()))
    await cluster.admin.start()
    await Promise.all([first.start(), second.start()])
    await expectWhole()
    expect((await second.http("GET", "/status")).json.log_epoch).toBe(restored.log_epoch)
  })

  it("refuses to restore over what is there, and makes a cluster elsewhere from nothing but the backup", { timeout }, async () => {
    const out = join(world.dir, "backup")
    await expect(cluster.cli("restore", "--from", out)).rejects.toThrow("the admin role")
    const rekeyed = await run([maestra, "hosted", "rekey"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: clusterHome(world), MAESTRA_NEW_MASTER_KEY: randomBytes(32).toString("base64url") })
    expect([rekeyed.code, rekeyed.err]).toEqual([1, expect.stringContaining("the admin role runs")])
    const elsewhere = join(world.dir, "elsewhere")
    const made = await cluster.cli<{ readonly dir: string; readonly events: number }>("restore", "--from", out, "--data-dir", elsewhere)
    expect(made.events).toBeGreaterThan(0)
    expect(readFileSync(join(made.dir, "deployment-id"), "utf8")).toBe(readFileSync(join(cluster.dir, "deployment-id"), "utf8"))
    await expect(cluster.cli("restore", "--from", out, "--data-dir", elsewhere)).rejects.toThrow("not-empty")
  })

  it("destroys the key of the tenant store after an erasure, whichever process erased, as soon as the admin role runs", { timeout }, async () => {
    const out = join(world.dir, "keys")
    await cluster.cli("backup", "--out", out, "--keys-only")
    const keysSets = () => readdirSync(out).filter((name) => name.startsWith("keys-"))
    const keyIn = () => readFileSync(join(cluster.dir, "keys.json"), "utf8")
    const [setsBefore, keyBefore] = [keysSets(), keyIn()]
    const c = await world.local("c")
    const other = await world.pair(second, c, "carol")
    await c.http("POST", "/conversations/c1/messages", { role: "user", content: "of carol" })
    await agreed(other, second, [c])
    await cluster.admin.stop()
    const ran = await second.cli("privacy", "erase", "--on", "hosted", "--tenant", other, "--yes", "--json")
    const erased = JSON.parse(ran.out) as { readonly keys_destroyed: boolean; readonly to_do: string }
    expect(erased.keys_destroyed).toBe(false)
    expect(erased.to_do).toContain("cluster up --only admin")
    expect(keyIn()).toBe(keyBefore)
    await cluster.admin.start()
    await until(() => cluster.admin.log().includes("has another key after an erasure"), 30_000, () => cluster.admin.log())
    expect(keyIn()).not.toBe(keyBefore)
    // and the keys of the backup are not those of before
    expect(keysSets()).not.toEqual(setsBefore)
    // both go on, and one that joins has the new key from whoever is there
    await Promise.all([first.http("POST", "/enroll", { user: "dora" }), second.http("POST", "/enroll", { user: "emil" })])
    await second.kill()
    await cluster.admin.stop()
    await second.start()
    expect((await second.http("POST", "/enroll", { user: "dora" })).json.tenant).toBe((await first.http("POST", "/enroll", { user: "dora" })).json.tenant)
    await cluster.admin.start()
  })

  it("lets go by itself of what was kept long enough, though no process has the hub of its own", { timeout }, async () => {
    const clock = join(world.dir, "clock")
    writeFileSync(clock, String(91 * 86_400_000))
    await a.http("POST", "/conversations/old/messages", { id: "m1", role: "user", content: "of long ago" })
    await until(async () => (await first.http("GET", `/conversations/old?tenant=${tenant}`)).status === 200, 30_000)
    const third = await world.hosted("third", { cluster: cluster.file, env: { MAESTRA_CLOCK_OFFSET_FILE: clock } })
    await until(() => isHidden(first, "old", tenant), 60_000, () => third.log().slice(-1500))
    expect(third.log()).toContain("retention removed what was kept long enough")
    await third.stop()
  })

  it("cuts a machine off that a process without operator's keys has shut out", { timeout }, async () => {
    const { peer_id } = (await b.http("GET", "/status")).json
    expect((await second.http("DELETE", `/peers/${peer_id}`)).status).toBe(200)
    await until(() => cluster.admin.log().includes("links of revoked machines and tools cut"), 20_000, () => cluster.admin.log())
    await until(async () => (await b.http("GET", "/status")).json.state === "needs_you", 30_000, () => b.log().slice(-1500))
  })

  it("keeps out whom the backup does not know to be shut out, where its folder does", { timeout }, async () => {
    const { peer_id } = (await b.http("GET", "/status")).json
    const standing = async () => (await first.http("GET", "/peers")).json.peers.find((peer) => peer.peer_id === peer_id)?.status
    expect(await standing()).toBe("revoked")
    await Promise.all([first.stop(), second.stop(), cluster.admin.stop(), ...cluster.servers.map((server) => server.stop())])
    await cluster.cli("restore", "--from", join(world.dir, "backup"), "--replace")
    await Promise.all(cluster.servers.map((server) => server.start()))
    await cluster.admin.start()
    await first.start()
    await until(async () => await standing() === "revoked", 30_000, () => cluster.admin.log().slice(-1500))
  })
})
