// Goal: a full disk refuses writes in clear words, reads go on, nobody dies or spins; with room again all goes on by itself and nothing acknowledged is lost.
// Method: real backends whose folders are tmpfs mounts of their own namespace, filled to the last byte while somebody writes, and freed.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { canMount, cannotMount, makeSmallDisks, type SmallDisks } from "../support/smallDisks.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

const timeout = 60_000
/** Freed, and taken again: the look at the disk, the restart of nats-server, the reconnect. */
const resumeWithinMs = 15_000

interface Acknowledged {
  readonly conversation: string
  readonly content: string
}

let world: World
let hosted: Backend
let local: Backend
let other: Backend
let disks: SmallDisks
let tenant: string
const acknowledged: Array<Acknowledged> = []

const say = async (backend: Backend, content: string, conversation = "disk") => {
  const answer = await backend.http("POST", `/conversations/${conversation}/messages`, { role: "user", content })
  if (answer.status === 201) acknowledged.push({ conversation, content })
  return answer
}
const status = async (backend: Backend) => (await backend.http<{ readonly disk: { readonly state: string }; readonly sentence: string }>("GET", "/status")).json
const shown = async (backend: Backend) => (await backend.http("GET", `/conversations/disk${backend === hosted ? `?tenant=${tenant}` : ""}`)).text
/** Processor time of a process so far, milliseconds. */
const cpuMillis = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /, "").split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}
const writesAgain = async (backend: Backend, content: string) => {
  await until(async () => (await say(backend, content)).status === 201, resumeWithinMs, () => `${backend.name} takes no writes:\n${backend.log().slice(-2000)}`)
}
/** Keep writing until a write is refused; the last answer. */
const writeUntilRefused = async (backend: Backend, name: string) => {
  let last = await say(backend, `${name} 0`)
  for (let i = 1; last.status === 201; i++) last = await say(backend, `${name} ${i} ${"x".repeat(2000)}`)
  return last
}

describe.skipIf(!canMount)(`a full disk${cannotMount}`, () => {
  beforeAll(async () => {
    world = await makeWorld()
    const dir = (name: string, ...more: ReadonlyArray<string>) => join(world.dir, name, ...more)
    disks = await makeSmallDisks([dir("hosted"), dir("a"), dir("b", "local"), dir("b", "local", "nats")])
    hosted = await world.hosted("hosted", { disks })
    ;[local, other] = await Promise.all([world.local("a", { disks }), world.local("b", { disks })])
    tenant = await world.pair(hosted, local)
    await world.pair(hosted, other)
    await say(local, "before")
    await agreed(tenant, hosted, [local, other])
  }, timeout)
  afterAll(async () => {
    await world?.close()
    disks?.close()
  })

  it("under a local backend: 507 and a sentence; reads go on; then all goes on", { timeout }, async () => {
    expect((await status(local)).disk.state).toBe("low")
    disks.fill(local.home)
    expect(disks.freeBytes(local.home)).toBe(0)
    const refused = await writeUntilRefused(local, "edge")
    // the write that met the edge itself may have happened; those after it certainly have not
    if (refused.status !== 507) expect(refused.status).toBe(503)
    await until(async () => (await status(local)).disk.state === "full", 5000)
    const full = await say(local, "refused")
    expect(full).toMatchObject({ status: 507, json: { type: "urn:maestra:problem:store-full" } })
    expect(full.json.hint).toContain("disk is full")
    const said = await local.cli("send", "disk", "refused")
    expect(said).toMatchObject({ code: 1 })
    expect(said.err).toContain("disk is full")
    expect((await status(local)).sentence).toContain("needs you: the disk is full")
    const seen = [await local.cli("status"), await local.cli("doctor")].map(({ err, out }) => out + err)
    for (const screen of seen) expect(screen).toMatch(/disk[\s\S]*make room/i)
    expect(await shown(local)).toContain("before")
    const before = cpuMillis(local.pid())
    // processor time needs some time to be measured over
    await new Promise((wait) => setTimeout(wait, 2000))
    expect(cpuMillis(local.pid()) - before).toBeLessThan(1000)
    expect(local.running()).toBe(true)
    await local.stop()
    await expect(local.start()).rejects.toThrow(/the disk of .* is full/)
    disks.free(local.home)
    await local.start()
    await writesAgain(local, "after a start")
    // and once more, without a start
    disks.fill(local.home)
    const edge = await writeUntilRefused(local, "second")
    expect([503, 507]).toContain(edge.status)
    disks.free(local.home)
    await writesAgain(local, "after")
    await agreed(tenant, hosted, [local, other])
  })

  it("under the tables alone: writes and reads go on, and the tables catch up", { timeout }, async () => {
    const tables = join(other.home, "local")
    disks.fill(tables)
    for (let i = 0; i < 40; i++) await say(local, `meanwhile ${i} ${"y".repeat(60_000)}`)
    await until(() => other.log().includes("the tables fall behind the logs"), 15_000, () => other.log().slice(-2000))
    expect(await shown(other)).toContain("before")
    expect((await say(other, "the journal takes this")).status).toBe(201)
    expect((await status(other)).disk.state).not.toBe("full")
    expect(other.running()).toBe(true)
    disks.free(tables)
    await agreed(tenant, hosted, [local, other])
    await writesAgain(other, "the tables are back")
  })

  it("under the hub: devices wait and send again, nothing is lost", { timeout }, async () => {
    disks.fill(hosted.home)
    await say(local, "while the hub is full")
    await until(async () => (await status(hosted)).disk.state === "full", 5000)
    await say(other, "here too")
    await until(async () => Object.keys((await local.http<{ readonly retries: object }>("GET", "/debug")).json.retries).includes("busy"), 20_000)
    expect((await status(local)).sentence).toContain("sending")
    expect(await shown(hosted)).toContain("before")
    expect(hosted.running()).toBe(true)
    disks.free(hosted.home)
    await agreed(tenant, hosted, [local, other])
  })

  it("has lost nothing that was acknowledged, on any of them", { timeout }, async () => {
    expect(acknowledged.length).toBeGreaterThan(45)
    for (const backend of [hosted, local, other]) {
      const text = await shown(backend)
      expect(acknowledged.filter(({ content }) => !text.includes(content))).toEqual([])
    }
  })
})
