// Goal: what a person had erased is nowhere any more, on no machine, and what was exported before comes back whole.
// Method: real processes with a marker planted in every field; every byte of their folders is looked through afterwards.
import { cpSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect, Option, Redacted } from "effect"
import { fromBase64url } from "../../src/security/digest.ts"
import { openKeyFile } from "../../src/security/keyFile.ts"
import { secretKey } from "../../src/security/secretKey.ts"
import type { Erased } from "../../streams/ErasureReceipt.ts"
import { done, statusOf } from "../support/linked.ts"
import { agreed, type Backend, type Digest, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let c: Backend
let tenant: string
let before: Digest
let erased: Erased
const planted = "Qpalmzwoskxn"

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ;[a, b, c] = [await world.local("a"), await world.local("b"), await world.local("c")]
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
  await world.pair(hosted, c)
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
    // an id that is personal data leaves under another name; any other one, and a type of telemetry, is in a subject, and those are not sealed
    await done(a, "POST", "/conversations", { conversation_id: "c1", title: `${planted} title` })
    for (const id of ["m1", "m2", `${planted}@example.com`]) await done(a, "POST", "/conversations/c1/messages", { id, role: "user", content: `${planted} ${id}` })
    await until(async () => (await b.http("GET", "/conversations/c1")).status === 200, 60_000)
    await done(b, "POST", "/conversations/c1/messages", { id: "m3", role: planted, content: planted })
    await done(a, "POST", "/telemetry", { event_id: planted, event_type: "capture", session_id: planted, timestamp: "2026-11-22T10:00:00Z", source_backend: "local", metadata: { [planted]: planted } })
    before = await agreed(tenant, hosted, [a, b, c])
    assert.isAbove(holding(a.dir).length, 0, "the check itself")
    assert.isAbove(holding(c.dir).length, 0, "the check itself")
    await c.stop()
    cpSync(hosted.dir, join(world.dir, "stolen"), { recursive: true })
    assert.strictEqual((await hosted.cli("privacy", "export", "--on", "hosted", "--tenant", tenant, "--out", exported())).code, 0)
    const refused = await a.cli("privacy", "erase")
    assert.strictEqual(refused.code, 2, "nobody is there to be asked")
    const ran = await a.cli("privacy", "erase", "--yes", "--json")
    assert.strictEqual(ran.code, 0, ran.err)
    erased = JSON.parse(ran.out) as Erased
    assert.strictEqual(erased.tenant, tenant)
    await until(async () => (await statusOf(b)).state === "not_paired", 60_000, () => "b did not hear of it")
    assert.strictEqual((await statusOf(a)).state, "not_paired")
    assert.deepStrictEqual([hosted, a, b].flatMap(({ dir }) => holding(dir)), [])
  })

  it("says what is still to come, and reaches the machine that was away", async () => {
    assert.deepStrictEqual(erased.devices.filter(({ reached }) => !reached).map(({ backend_id }) => backend_id), [await c.start().then(() => statusOf(c)).then(({ backend_id }) => backend_id)])
    await until(async () => (await statusOf(c)).state === "not_paired", 120_000, () => `c did not hear of it\n${c.log().slice(-2000)}`)
    await until(() => holding(c.dir).length === 0, 10_000, () => holding(c.dir).join())
    assert.match((await c.cli("list")).out, /no conversations|^\s*$/i)
  })

  it("leaves no key by which a copy of the store from before could be opened", async () => {
    const master = { kind: "master", key: secretKey(fromBase64url(world.masterKey)!) } as const
    const keyIn = (dir: string) => Effect.runPromise(openKeyFile(join(dir, "keys.json"), master).pipe(
      Effect.flatMap((keystore) => Effect.all([keystore.get("deployment/store-key"), keystore.get("deployment/previous-store-key")])),
      Effect.map(([now, previous]) => [Option.map(now, Redacted.value), previous] as const)))
    const [stolen, left] = [await keyIn(join(world.dir, "stolen")), await keyIn(hosted.dir)]
    assert.notDeepEqual(left[0], stolen[0], "the tenant store has another key")
    assert.isTrue(Option.isNone(left[1]), "and the old one is nowhere")
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
})
