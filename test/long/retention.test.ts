// Goal: what hosted no longer keeps goes from other machines too, stays where it was written, and nobody takes it for damage.
// Method: real processes whose clocks are moved by a file, two machines of one person, and `verify` on both sides.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { done, isHidden, shown } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string
const days = (count: number) => writeFileSync(join(world.dir, "clock"), String(count * 86_400_000))

beforeAll(async () => {
  world = await makeWorld()
  days(0)
  const env = { MAESTRA_CLOCK_OFFSET_FILE: join(world.dir, "clock") }
  hosted = await world.hosted("hosted", { env })
  a = await world.local("a", { env })
  b = await world.local("b", { env })
  tenant = await world.pair(hosted, a)
  await world.pair(hosted, b)
}, 300_000)
afterAll(() => world.close(), 60_000)

const expire = async () => JSON.parse((await hosted.cli("hosted", "expire", "--json")).out) as { readonly conversations: number; readonly events: number }
const verified = async (on: Backend) => (await on.cli("verify", "--json", ...(on === hosted ? ["--on", "hosted", "--tenant", tenant] : []))).code

describe("retention", { timeout: 300_000 }, () => {
  it("removes old conversations from the log and from others' machines; their author keeps them", async () => {
    for (const [id, content] of [["m1", "first"], ["m2", "second"]] as const) await done(a, "POST", "/conversations/old/messages", { id, role: "user", content })
    await agreed(tenant, hosted, [a, b])
    days(89)
    assert.deepStrictEqual(await expire(), { conversations: 0, events: 0 })
    days(91)
    assert.deepStrictEqual(await expire(), { conversations: 1, events: 2 })
    await until(async () => (await isHidden(hosted, "old", tenant)) && (await isHidden(b, "old", tenant)), 60_000, () => "still shown")
    const after = await agreed(tenant, hosted, [a, b])
    assert.strictEqual(after.messages, 0)
    assert.deepStrictEqual((await shown(a, "old", tenant)).messages.map(({ content }) => content), ["first", "second"])
    assert.deepStrictEqual([await verified(hosted), await verified(a), await verified(b)], [0, 0, 0])
  })

  it("a later edit brings the conversation back with what was said since", async () => {
    // by the log's own clock, which is not moved, the edit is as old as the rest
    await done(a, "PUT", "/privacy-settings", { retention_days: 36_500 })
    await done(a, "PUT", "/conversations/old/messages/m2", { content: "second, again" })
    const both = await agreed(tenant, hosted, [a, b])
    assert.strictEqual(both.messages, 1)
    assert.deepStrictEqual((await shown(b, "old", tenant)).messages.map(({ content }) => content), ["second, again"])
    assert.deepStrictEqual((await shown(a, "old", tenant)).messages.map(({ content }) => content), ["first", "second, again"])
  })

  it("holds after everything was built again, and after a kill", async () => {
    await hosted.kill()
    await hosted.start()
    for (const one of [a, b, hosted]) assert.strictEqual((await one.cli("rebuild", ...(one === hosted ? ["--on", "hosted"] : []))).code, 0)
    await agreed(tenant, hosted, [a, b])
    assert.deepStrictEqual((await shown(a, "old", tenant)).messages.map(({ content }) => content), ["first", "second, again"])
    assert.deepStrictEqual((await shown(b, "old", tenant)).messages.map(({ content }) => content), ["second, again"])
    assert.strictEqual((await hosted.http("GET", "/status")).json.log_epoch, 1)
  })

  it("takes the author's own copy along where it was told to, and it stays away when the tables are made anew", async () => {
    await done(a, "PUT", "/privacy-settings", { keep_own_copies: false, retention_days: 90 })
    await done(a, "POST", "/conversations/nowhere/messages", { id: "m1", role: "user", content: "for a while" })
    await agreed(tenant, hosted, [a, b])
    assert.isAtLeast((await expire()).conversations, 1)
    await until(async () => (await isHidden(a, "nowhere", tenant)) && (await isHidden(b, "nowhere", tenant)), 60_000, () => "still shown")
    assert.strictEqual((await a.cli("rebuild")).code, 0)
    await agreed(tenant, hosted, [a, b])
    assert.isTrue(await isHidden(a, "nowhere", tenant))
    assert.deepStrictEqual([await verified(hosted), await verified(a)], [0, 0])
  })
})
