// Goal: what a person had erased is nowhere any more, on no machine, and what was exported before comes back whole.
// Method: real processes with a marker planted in every field; every byte of their folders is looked through afterwards.
import { cpSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { fromBase64url } from "../../src/security/digest.ts"
import { openKeyFile } from "../../src/security/keyFile.ts"
import { secretKey } from "../../src/security/secretKey.ts"
import type { MaestraError } from "../../src/sdk/typescript/problems.ts"
import type { Erased } from "../../streams/ErasureReceipt.ts"
import { companionCode, openSurface, pairingCode, settle, type Surface } from "../support/companion.ts"
import { done, isHidden, shown, statusOf } from "../support/linked.ts"
import { agreed, type Backend, type Digest, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let c: Backend
let tenant: string
let before: Digest
let erased: Erased
/** Surfaces of the same person: of hosted alone, and of machine a, from where only one of the two is reached later. */
let browser: Surface
let phone: Surface
let tablet: Surface
/** Before and after an erasure: what a thief took, and what is left to open it with. */
const taken = () => join(world.dir, "taken")
const backups = () => join(world.dir, "backups")
const planted = "Qpalmzwoskxn"

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ;[a, b, c] = [await world.local("a"), await world.local("b"), await world.local("c")]
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  await world.pair(hosted, c)
  ;[browser, phone, tablet] = [await openSurface("web"), await openSurface("ios"), await openSurface("android")]
  await browser.joinHosted(await pairingCode(hosted, "ada"))
  for (const one of [phone, tablet]) await one.joinLocal(a.url(), await companionCode(a))
}, 300_000)
afterAll(() => world.close(), 60_000)

/** Files of a folder, however deep, that hold the marker. */
const holding = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? holding(path) : readFileSync(path).includes(planted) ? [path] : []
  })
const exported = () => join(world.dir, "all.tar.gz")

describe("an erasure", { timeout: 300_000 }, () => {
  it("takes everything from hosted and from the machines that are online", async () => {
    // an id that is personal data leaves under another name; any other one, and ids and types of telemetry, are in subjects and headers, which are not sealed
    await done(a, "POST", "/conversations", { conversation_id: "c1", title: `${planted} title` })
    for (const id of ["m1", "m2", `${planted}@example.com`]) await done(a, "POST", "/conversations/c1/messages", { id, role: "user", content: `${planted} ${id}` })
    await until(async () => (await b.http("GET", "/conversations/c1")).status === 200, 60_000)
    await done(b, "POST", "/conversations/c1/messages", { id: "m3", role: planted, content: planted })
    await done(a, "POST", "/telemetry", { event_id: "e1", event_type: "capture", session_id: planted, timestamp: "2026-11-22T10:00:00Z", source_backend: "local", metadata: { [planted]: planted } })
    await settle(browser, phone, tablet)
    await phone.append("c1", { role: "user", content: `${planted} from a phone` })
    await settle(phone)
    before = await agreed(tenant, hosted, [a, b, c])
    // and what waits to be sent
    for (const one of [browser, phone, tablet]) await one.append("c2", { role: "user", content: planted })
    assert.isAbove(holding(a.dir).length, 0, "the check itself")
    assert.isAbove(holding(c.dir).length, 0, "the check itself")
    await c.stop()
    await hosted.stop()
    cpSync(hosted.dir, taken(), { recursive: true })
    // of a running server these say where it runs
    for (const name of ["runtime.json", "nats/nats-server.pid.json"]) rmSync(join(taken(), name), { force: true })
    await hosted.start()
    assert.strictEqual((await hosted.cli("hosted", "backup", "--out", backups())).code, 0)
    assert.strictEqual((await hosted.cli("privacy", "export", "--on", "hosted", "--tenant", tenant, "--out", exported())).code, 0)
    const refused = await a.cli("privacy", "erase")
    assert.strictEqual(refused.code, 2, "nobody is there to be asked")
    const ran = await a.cli("privacy", "erase", "--yes", "--json")
    assert.strictEqual(ran.code, 0, ran.err)
    erased = JSON.parse(ran.out) as Erased
    assert.strictEqual(erased.tenant, tenant)
    // the backup of before is on this machine: its keys were replaced with everything else
    assert.deepStrictEqual([erased.keys_destroyed, erased.to_do], [true, null])
    await until(async () => (await statusOf(b)).state === "not_paired", 60_000, () => "b did not hear of it")
    assert.strictEqual((await statusOf(a)).state, "not_paired")
    assert.deepStrictEqual([hosted, a, b].flatMap(({ dir }) => holding(dir)), [])
    for (const backend of [hosted, a, b]) {
      const { entries } = (await backend.http<{ readonly entries: ReadonlyArray<{ readonly type: string }> }>("GET", `/audit?limit=500${backend === hosted ? `&tenant=${tenant}` : ""}`)).json
      assert.include(entries.map(({ type }) => type), "tenant.erased", backend.name)
    }
  })

  it("says what is still to come, and reaches the machine that was away", async () => {
    await c.start()
    const waiting = [(await statusOf(c)).backend_id, ...[browser, phone, tablet].map(({ backendId }) => backendId)]
    assert.sameMembers(erased.devices.filter(({ reached }) => !reached).map(({ backend_id }) => backend_id), waiting)
    await until(async () => (await statusOf(c)).state === "not_paired", 120_000, () => `c did not hear of it\n${c.log().slice(-2000)}`)
    await until(() => holding(c.dir).length === 0, 10_000, () => holding(c.dir).join())
    // and answers, at once and after a restart
    for (const restart of [false, true]) {
      if (restart) await c.stop().then(c.start)
      const list = await c.cli("list")
      assert.deepStrictEqual([list.code, list.out.includes("c1")], [0, false], list.err)
    }
  })

  it("reaches companions at their next request, whichever backend they ask", async () => {
    const held = async ({ storage }: Surface) => JSON.stringify(await storage.list(""))
    phone.wire.cut.add(new URL(hosted.url()).origin)
    tablet.wire.cut.add(new URL(a.url()).origin)
    for (const one of [browser, phone, tablet]) {
      assert.include(await held(one), planted, "the check itself")
      const heard = await one.sync().then(() => "nothing", (cause: MaestraError) => cause.kind)
      assert.strictEqual(heard, "erased")
      assert.strictEqual(await held(one), JSON.stringify([["erased", { at: erased.erased_at }]]))
      assert.deepStrictEqual([(await one.status()).erased, await one.list()], [erased.erased_at, []])
    }
  })

  it("leaves no key by which a copy of the store from before could be opened", async () => {
    const master = { kind: "master", key: secretKey(fromBase64url(world.masterKey)!), from: "a test" } as const
    const keyIn = (dir: string) => Effect.runPromise(openKeyFile(join(dir, "keys.json"), master).pipe(
      Effect.flatMap((keystore) => Effect.all([keystore.get("deployment/store-key"), keystore.get("deployment/previous-store-key")])),
      Effect.map(([now, previous]) => [Option.map(now, Redacted.value), previous] as const)))
    const [stolen, left] = [await keyIn(taken()), await keyIn(hosted.dir)]
    assert.notDeepEqual(left[0], stolen[0], "the tenant store has another key")
    assert.isTrue(Option.isNone(left[1]), "and the old one is nowhere")
  })

  it("leaves a copy from before that opens with its own keys, and with nothing that remains", async () => {
    const copy = (name: string) => cpSync(taken(), join(world.dir, name, "hosted"), { recursive: true })
    // the check itself: with the keys of then everything is there
    copy("then")
    const then = await world.hosted("then")
    assert.include((await shown(then, "c1", tenant)).messages.map(({ content }) => content), `${planted} m1`)
    await then.stop()
    // its tables are no part of a snapshot of the store, and say what was in it
    copy("now")
    for (const ending of ["", "-wal", "-shm"]) rmSync(join(world.dir, "now", "hosted", `hosted.sqlite${ending}`), { force: true })
    cpSync(join(hosted.dir, "keys.json"), join(world.dir, "now", "hosted", "keys.json"))
    const refused = await world.hosted("now").then(() => "it started", (cause: Error) => cause.message)
    assert.include(refused, "the tenant store is encrypted under another key")
    assert.deepStrictEqual(holding(join(world.dir, "now")), [])
  })

  it("leaves a backup from before that a restore shows nothing of", async () => {
    const restored = await world.hosted("restored", { start: false })
    const ran = await restored.cli("hosted", "restore", "--from", backups())
    assert.strictEqual(ran.code, 0, ran.err)
    await restored.start()
    assert.isTrue(await isHidden(restored, "c1", tenant))
    // and what came back sealed goes again, with the ids that were in its subjects
    const messages = async () => (await restored.http<{ readonly log: { readonly messages: number } }>("GET", "/status")).json.log.messages
    await until(async () => await messages() === 2, 30_000, () => restored.log().slice(-2000))
    assert.strictEqual((await restored.cli("verify", "--on", "hosted", "--tenant", tenant)).code, 0)
    await restored.stop()
  })

  it("leaves a log that holds, through a restart", async () => {
    await hosted.kill()
    await hosted.start()
    assert.strictEqual((await hosted.cli("verify", "--on", "hosted", "--tenant", tenant)).code, 0)
    assert.strictEqual((await hosted.cli("rebuild", "--on", "hosted")).code, 0)
    const status = (await hosted.http<{ readonly log_epoch: number; readonly peers: number }>("GET", "/status")).json
    assert.deepStrictEqual([status.log_epoch, status.peers], [1, 0])
  })

  it("is no obstacle: the same person begins anew, and what was exported comes back", async () => {
    const anew = await world.pair(hosted, a)
    assert.notStrictEqual(anew, tenant)
    const ran = await a.cli("import", exported(), "--json")
    assert.strictEqual(ran.code, 0, ran.err)
    assert.deepStrictEqual(await agreed(anew, hosted, [a]), before)
  })

  it("is no end: what was exported comes whole to a fresh hosted backend", async () => {
    const fresh = await world.hosted("fresh")
    const there = await world.local("there")
    const other = await world.pair(fresh, there)
    const ran = await there.cli("import", exported(), "--json")
    assert.strictEqual(ran.code, 0, ran.err)
    assert.deepStrictEqual(await agreed(other, fresh, [there]), before)
  })
})
