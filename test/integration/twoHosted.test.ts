// Goal: two hosted processes on one hub serve one log: no event twice, no gap in any chain, either may die.
// Method: a second real process joins by the first one's cluster file; two locals import at once; one process is killed.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { join } from "node:path"
import { conversations, importing, messagesOf, whole } from "../support/load.ts"
import { type Backend, digestOf, makeWorld, until, type World } from "../support/world.ts"

const timeout = 120_000
const perLocal = 300

let world: World
let first: Backend
let second: Backend
let a: Backend
let b: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  first = await world.hosted("first")
  second = await world.hosted("second", { cluster: join(first.dir, "cluster.json") })
  a = await world.local("a")
  b = await world.local("b")
  tenant = await world.pair(first, a)
  // enrolled by one process, registered by the other
  await world.pair(second, b)
})
afterAll(() => world.close())

/** Both locals import their own part at the same time. */
const importBoth = (part: number) => [a, b].map((local, i) => importing(local, conversations((2 * part + i) * perLocal, perLocal)))

const expectWhole = async (parts: number) => {
  const all = conversations(0, 2 * parts * perLocal)
  const messages = messagesOf(all)
  const result = await whole(tenant, first, [a, b])
  expect(result).toMatchObject({ conversations: all.length, messages, appended: messages, problems: [], doubled: [] })
  await until(async () => (await digestOf(second, tenant)).digest === result.digest, 10_000, () => "the second hosted process shows something else")
}

describe("two hosted processes on one hub", () => {
  it("take turns: no event twice, no gap, one digest", { timeout }, async () => {
    const loads = importBoth(0)
    await Promise.all(loads.map(({ done }) => done))
    await expectWhole(1)
  })

  it("one is killed in the middle: the other goes on", { timeout }, async () => {
    const loads = importBoth(1)
    await until(() => loads.every(({ acknowledged }) => acknowledged().length >= perLocal / 5), 30_000)
    await second.kill()
    await Promise.all(loads.map(({ done }) => done))
    await whole(tenant, first, [a, b])
    await second.start()
    await expectWhole(2)
  })
})
