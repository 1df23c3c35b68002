// Goal: somebody whose machine lost its keys loses nothing that was written there, by the words the program itself says.
// Method: a real hosted and a local whose keystore.json is removed while something was never sent; then what its refusal says, step by step.
import { existsSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { done, shown, statusOf } from "../support/linked.ts"
import { agreed, type Backend, maestra, makeWorld, patience, run, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let a: Backend
let tenant: string
let peer: string
const code = async () => (await done<{ readonly code: string }>(hosted, "POST", "/enroll", { user: "ada" })).code
const started = () => run([maestra, "local", "up", "--port", "0"], { ...process.env, ...world.secrets, MAESTRA_DATA_DIR: a.home })

describe("a machine without its keys", () => {
  beforeAll(async () => {
    world = await makeWorld()
    hosted = await world.hosted()
    a = await world.local("a")
    tenant = await world.pair(hosted, a)
    peer = (await statusOf(a)).peer_id ?? ""
    await done(a, "POST", "/conversations/c/messages", { role: "user", content: "sent" })
    await agreed(tenant, hosted, [a])
    await hosted.stop()
    await done(a, "POST", "/conversations/c/messages", { role: "user", content: "never sent" })
    await a.stop()
    await hosted.start()
    rmSync(join(a.dir, "keystore.json"))
  }, 120_000 * patience)
  afterAll(() => world.close())

  it("does not start, and says what to do; so does doctor", async () => {
    const { code: exit, err } = await started()
    assert.strictEqual(exit, 1)
    for (const word of [/private keys are gone/, /put a copy back/, /move identity\.json and pairing\.json/, /maestra export/]) assert.match(err, word)
    const doctor = await a.cli("doctor")
    assert.strictEqual(doctor.code, 1)
    assert.match(doctor.out, /fail\s+keys\s+.*keystore\.json is gone[\s\S]*maestra export/)
    assert.isFalse(existsSync(join(a.dir, "keystore.json")))
  })

  it("is alone once that is done: no link is left, and all of it is there", async () => {
    assert.strictEqual((await hosted.cli("hosted", "revoke", peer)).code, 0)
    renameSync(join(a.dir, "identity.json"), join(world.dir, "identity.json"))
    // the pairing by itself says what to do, too
    const { err } = await started()
    assert.match(err, /move the file away, start again, and pair/)
    renameSync(join(a.dir, "pairing.json"), join(world.dir, "pairing.json"))
    await a.start()
    assert.strictEqual((await statusOf(a)).state, "not_paired")
    const { network_status } = await done<{ readonly network_status?: { readonly link: string } }>(a, "GET", "/debug")
    assert.notStrictEqual(network_status?.link, "up")
    assert.isFalse(existsSync(join(a.dir, "nats/leaf.creds")))
    assert.strictEqual((await a.cli("export", "--out", join(world.dir, "mine.jsonl"))).code, 0)
    // the same device with another key: refused, with the same words
    assert.match((await a.cli("local", "pair", await code())).err, /revoked|cannot come back/)
    await a.stop()
  }, 120_000 * patience)

  it("goes on as a new one, with what was never sent", async () => {
    const fresh = await world.local("fresh")
    assert.strictEqual((await fresh.cli("local", "pair", await code())).code, 0)
    await until(async () => (await statusOf(fresh)).state === "in_step", 60_000)
    assert.match((await fresh.cli("import", join(world.dir, "mine.jsonl"))).out, /2 messages \(1 unchanged\)/)
    await agreed(tenant, hosted, [fresh])
    for (const backend of [fresh, hosted]) assert.deepStrictEqual((await shown(backend, "c", tenant)).messages.map(({ content }) => content), ["sent", "never sent"])
  })
})
