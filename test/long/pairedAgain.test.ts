// Goal: a machine that leaves one user and joins another of the same hub belongs to the other: it sends what was written
// on it, shows nothing of the first user's other machines any more, and can come back.
// Method: two locals of one user, a third of another; one of the two unpairs and pairs with the other's code, and back.
import { assert, describe, it } from "@effect/vitest"
import { afterAll, beforeAll } from "vitest"
import { done, isHidden, shown } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let moving: Backend
let staying: Backend
let other: Backend
let ada: string
let bob: string

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  ;[moving, staying, other] = await Promise.all([world.local("moving"), world.local("staying"), world.local("other")])
  ada = await world.pair(hosted, moving, "ada")
  await world.pair(hosted, staying, "ada")
  bob = await world.pair(hosted, other, "bob")
})
afterAll(() => world.close())

const write = (local: Backend, conversation: string, content: string) => done(local, "POST", `/conversations/${conversation}/messages`, { id: "m", role: "user", content })

describe("a machine that is paired again as another user", () => {
  it("has the other user's conversations and its own, and both logs are whole", async () => {
    // an id that leaves as a keyed hash, of the first tenant's key
    await write(moving, encodeURIComponent("ann@example.org"), "written here")
    await write(staying, "stays", "ada's other machine")
    await write(other, "bobs", "bob's machine")
    await agreed(ada, hosted, [moving, staying])
    await agreed(bob, hosted, [other])
    const before = await agreed(ada, hosted, [staying])

    await done(moving, "POST", "/unpair")
    await write(moving, "alone", "between the two")
    assert.notStrictEqual(await world.pair(hosted, moving, "bob"), ada)
    const together = await agreed(bob, hosted, [moving, other])
    assert.strictEqual(together.conversations, 3)
    assert.strictEqual((await shown(other, "alone", bob)).messages[0]?.content, "between the two")
    assert.strictEqual((await shown(moving, "bobs", bob)).messages[0]?.content, "bob's machine")
    assert.strictEqual((await shown(moving, "ann@example.org", bob)).messages[0]?.content, "written here")
    assert.isTrue(await isHidden(moving, "stays", bob))
    // the first user's log has neither lost nor won anything
    assert.deepStrictEqual(await agreed(ada, hosted, [staying]), before)
  }, 120_000)

  it("and comes back to the first", async () => {
    await done(moving, "POST", "/unpair")
    assert.strictEqual(await world.pair(hosted, moving, "ada"), ada)
    await agreed(ada, hosted, [moving, staying])
    assert.strictEqual((await shown(moving, "stays", ada)).messages[0]?.content, "ada's other machine")
    assert.strictEqual((await shown(staying, "alone", ada)).messages[0]?.content, "between the two")
    assert.isTrue(await isHidden(moving, "bobs", ada))
  }, 120_000)
})

describe("an event stream from now", () => {
  it.each(["local", "hosted"])("of a %s backend says first where it begins", async (side) => {
    const [backend, path, place] = side === "local" ? [moving, "/events", /^id: \d+\.\d+\nretry: / ] as const : [hosted, `/events?tenant=${ada}`, /^id: \d+\nretry: /] as const
    const begins = await backend.stream(path)
    assert.match(begins, place)
  })
})
