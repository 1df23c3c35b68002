// Goal: a hosted backend that is lost, or outgrown, comes back from its backup, on three servers too; devices fill in what the backup lacks, nothing is doubled, who was revoked stays out.
// Method: `maestra hosted backup` and `restore` on real backends as processes; the data directory is removed, the backup damaged, the restore cut off.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { clusterHome, makeCluster } from "../support/cluster.ts"
import { imported, type Line, made, messagesOf, verified, whole } from "../support/load.ts"
import { agreed, type Backend, maestra, makeWorld, type Ran, run, until, type World } from "../support/world.ts"

const timeout = 60_000
/** A made conversation of four messages is five events. */
const events = (from: number, count: number): ReadonlyArray<Line> => made(from, count / 5)

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let lost: Backend
let tenant: string
let out: string
let written: ReadonlyArray<Line> = []
let epochBefore: number

const write = async (backend: Backend, lines: ReadonlyArray<Line>) => {
  await imported(backend, lines)
  written = [...written, ...lines]
}
const answerOf = <A>({ out, err, code }: Ran): A => {
  if (code !== 0) throw new Error(err)
  return JSON.parse(out)
}
const backUp = async (...flags: ReadonlyArray<string>) => answerOf<{ sets: ReadonlyArray<string>; bytes: number }>(await hosted.cli("hosted", "backup", "--out", out, ...flags, "--json"))
const restore = (...flags: ReadonlyArray<string>) => hosted.cli("hosted", "restore", "--from", out, ...flags, "--json")
const refusal = ({ code, err }: Ran): { type: string; sentence: string; exit: number } => ({ ...JSON.parse(err).error, exit: code })
const sets = (kind: string) => readdirSync(out).filter((name) => name.startsWith(`${kind}-`)).sort()
const epochOf = async (backend: Backend) => (await backend.http("GET", "/status")).json.log_epoch

const expectWhole = async () => {
  const result = await whole(tenant, hosted, [a, b])
  const messages = messagesOf(written)
  expect(result).toMatchObject({ conversations: written.length, messages, appended: messages, problems: [], doubled: [] })
}

beforeAll(async () => {
  world = await makeWorld()
  out = join(world.dir, "backup")
  hosted = await world.hosted()
  ;[a, b, lost] = await Promise.all([world.local("a"), world.local("b"), world.local("lost")])
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  await world.pair(hosted, lost)
  await write(a, events(0, 100))
  await write(b, events(1000, 100))
  await agreed(tenant, hosted, [a, b, lost])
}, timeout)
afterAll(() => world.close())

describe("a backup of the running hub", () => {
  it("holds what a new machine needs, and nothing in the clear", { timeout }, async () => {
    const made = await backUp()
    expect(made.sets).toHaveLength(2)
    expect(sets("log")).toHaveLength(1)
    expect(sets("keys")).toHaveLength(1)
    const [log = ""] = sets("log")
    expect(readdirSync(join(out, log)).sort()).toEqual(["ALERTS.snapshot", "AUDIT.snapshot", "LOG.snapshot", "TELEMETRY.snapshot", "manifest.json"])
    const [keys = ""] = sets("keys")
    expect(readdirSync(join(out, keys)).sort()).toEqual(["KV_TENANTS.snapshot", "deployment.snapshot", "manifest.json"])
    const masterKey = /MAESTRA_MASTER_KEY=([^\0]+)/.exec(readFileSync(`/proc/${hosted.pid()}/environ`, "utf8"))?.[1] ?? ""
    expect(masterKey).not.toBe("")
    for (const file of [join(out, keys, "deployment.snapshot"), join(out, log, "LOG.snapshot")]) {
      const text = readFileSync(file, "latin1")
      expect(text).not.toContain("message 1 of conversation")
      expect(text).not.toContain(masterKey)
      expect(text).not.toContain(readFileSync(join(hosted.dir, "admin-token"), "utf8").trim())
    }
  })

  it("is made again beside the older log, and keeps the newest keys only", { timeout }, async () => {
    const before = sets("keys")
    const revoked = (await lost.http("GET", "/status")).json.peer_id
    await hosted.http("DELETE", `/peers/${revoked}`)
    const made = await backUp("--keys-only")
    expect(made.sets).toEqual(sets("keys"))
    expect(sets("keys")).not.toEqual(before)
    expect(sets("log")).toHaveLength(1)
  })

  it("is not restored over a running backend, nor over one that is there", { timeout }, async () => {
    expect(refusal(await restore())).toMatchObject({ type: "already-running", exit: 1 })
    epochBefore = await epochOf(hosted)
    await write(a, events(2000, 50))
    await write(b, events(3000, 50))
    await agreed(tenant, hosted, [a, b])
    await b.stop()
    await hosted.stop()
    const before = readFileSync(join(hosted.dir, "keys.json"), "utf8")
    expect(refusal(await restore())).toMatchObject({ type: "not-empty", exit: 4 })
    expect(readFileSync(join(hosted.dir, "keys.json"), "utf8")).toBe(before)
  })

  it("is refused by name when a byte of it has changed, before anything is touched", { timeout }, async () => {
    const [log = ""] = sets("log")
    const file = join(out, log, "LOG.snapshot")
    const good = readFileSync(file)
    const bad = Buffer.from(good)
    bad[bad.length >> 1]! ^= 1
    writeFileSync(file, bad)
    const said = refusal(await restore("--replace"))
    writeFileSync(file, good)
    expect(said).toMatchObject({ type: "backup-unusable", exit: 1 })
    expect(said.sentence).toContain(file)
    expect(existsSync(join(hosted.dir, "nats/store"))).toBe(true)
  })
})

describe("a hub restored from it", () => {
  it("has every event once, also of a device that was away, and a new epoch", { timeout }, async () => {
    rmSync(hosted.dir, { recursive: true })
    const note = answerOf<{ log_epoch: number }>(await restore())
    expect(note.log_epoch).toBeGreaterThan(epochBefore)
    // a crash in the middle of the last move: half is in place, half still lies ready
    const ready = join(hosted.dir, "restore.ready")
    mkdirSync(ready)
    for (const name of ["nats", "log.json"]) renameSync(join(hosted.dir, name), join(ready, name))
    writeFileSync(join(ready, "restore.json"), "{}")
    await hosted.start()
    expect(existsSync(ready)).toBe(false)
    const { entries } = (await hosted.http<{ readonly entries: ReadonlyArray<{ readonly type: string; readonly by: string; readonly data: unknown }> }>("GET", "/audit?limit=500&tenant=_")).json
    expect(entries).toContainEqual(expect.objectContaining({ type: "command.given", by: "operator", data: { command: "restore" } }))
    // a shows what it has read of b; the log lacks that until b comes back
    await until(async () => (await a.http("GET", "/status")).json.log_epoch === note.log_epoch && (await a.http("GET", "/status")).json.state === "in_step", 20_000, () => a.log())
    await write(a, events(4000, 5))
    await b.start()
    await expectWhole()
    expect(await epochOf(hosted)).toBe(note.log_epoch)
    expect(await verified(hosted, tenant)).toMatchObject({ ok: true, problem_count: 0 })
    await write(b, events(5000, 5))
    await expectWhole()
  })

  it("keeps out who was revoked after the logs were saved", { timeout }, async () => {
    const { peers } = (await hosted.http("GET", "/peers")).json
    expect(peers.map(({ status }) => status).sort()).toEqual(["registered", "registered", "revoked"])
    await lost.http("POST", "/resync", {})
    await until(async () => ["needs_you", "offline"].includes((await lost.http("GET", "/status")).json.state), 20_000, () => "the revoked device is let in")
    await imported(lost, made(9000, 1))
    await expectWhole()
  })

  it("restored from the same backup once more, over what is there and cut off at first, is in an epoch of its own", { timeout }, async () => {
    await hosted.stop()
    const first = JSON.parse(readFileSync(join(hosted.dir, "log.json"), "utf8")).log_epoch
    // a restore that died half way
    cpSync(join(hosted.dir, "nats"), join(hosted.dir, "restore.partial/nats"), { recursive: true })
    const note = answerOf<{ log_epoch: number }>(await restore("--replace"))
    expect(note.log_epoch).toBeGreaterThan(first)
    expect(existsSync(join(hosted.dir, "restore.partial"))).toBe(false)
    await hosted.start()
    await expectWhole()
  })
})

describe("three servers in the place of one", () => {
  it("have every event once, with what was written after the backup, and the devices find them", { timeout: 300_000 }, async () => {
    await backUp()
    const epoch = await epochOf(hosted)
    await write(a, events(6000, 5))
    await agreed(tenant, hosted, [a, b])
    await hosted.stop()
    const env = { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: clusterHome(world) }
    const note = answerOf<{ log_epoch: number }>(await run([maestra, "hosted", "cluster", "restore", "--from", out, "--json"], env))
    expect(note.log_epoch).toBeGreaterThan(epoch)
    const cluster = await makeCluster(world, 1)
    try {
      const alone = hosted
      hosted = await world.hosted("joined", { cluster: cluster.file, port: Number(new URL(alone.url()).port) })
      await cluster.whole()
      // they have waited for the old place, and learn the new one over HTTP
      await agreed(tenant, hosted, [a, b], 150_000)
      await expectWhole()
      const { streams } = await cluster.cli<{ readonly streams: ReadonlyArray<{ readonly stream: string; readonly whole: boolean; readonly leader: string | null }> }>("status")
      expect(streams.map(({ stream, whole }) => [stream, whole])).toEqual(["LOG", "TELEMETRY", "AUDIT", "ALERTS", "KV_TENANTS"].map((stream) => [stream, true]))
      // kept three times: the one that led may go
      const leader = cluster.servers.find(({ name }) => name === streams[0]?.leader)!
      await leader.kill()
      await write(b, events(7000, 5))
      await expectWhole()
      await leader.start()
      await cluster.whole()
      const { peers } = (await hosted.http("GET", "/peers")).json
      expect(peers.map(({ status }) => status).sort()).toEqual(["registered", "registered", "revoked"])
    } finally {
      await hosted.stop()
      await cluster.close()
    }
  })
})
