// Goal: whatever is killed in the middle of an import, nothing acknowledged is lost, nothing doubled, all agree.
// Method: real backends as processes; kill -9 of each in turn while conversations are written; import again on failure.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { conversations, importing, type Line, messagesOf, whole } from "../support/load.ts"
import { makePaired } from "../support/linked.ts"
import { type Backend, until, type World } from "../support/world.ts"

const timeout = 120_000
const perPart = 300

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
})
afterAll(() => world.close())

/** Kill in the middle of the part's import, see to the restart, and let the import come to its end. */
const survives = async (part: number, strike: (acknowledged: () => ReadonlyArray<Line>) => Promise<void>) => {
  const load = importing(a, conversations(part * perPart, perPart))
  await until(() => load.acknowledged().length >= perPart / 5, 30_000)
  expect(load.acknowledged().length).toBeLessThan(perPart)
  await strike(load.acknowledged)
  await load.done
  const all = conversations(0, (part + 1) * perPart)
  const result = await whole(tenant, hosted, [a, b])
  const messages = messagesOf(all)
  expect(result).toMatchObject({ conversations: all.length, messages, appended: messages, problems: [], doubled: [] })
}

/** A nats-server is killed; its supervisor starts another one. */
const killServer = async (backend: Backend) => {
  const before = backend.natsPid()
  process.kill(before, "SIGKILL")
  await until(() => backend.natsPid() !== before, 10_000)
}

describe("killed in the middle of an import", () => {
  it("the local agent", { timeout }, () =>
    survives(0, async (acknowledged) => {
      await a.kill()
      const safe = [...acknowledged()]
      await a.start()
      for (const { text } of safe) {
        const { conversation_id, messages } = JSON.parse(text)
        const there = await a.http("GET", `/conversations/${conversation_id}`)
        expect([there.status, there.json?.messages?.length]).toEqual([200, messages.length])
      }
    }))

  it("the local nats-server", { timeout }, () => survives(1, () => killServer(a)))

  it("the hosted process", { timeout }, () =>
    survives(2, async () => {
      await hosted.kill()
      await hosted.start()
    }))

  it("the hub's nats-server", { timeout }, () => survives(3, () => killServer(hosted)))

  it("everything at once", { timeout }, () =>
    survives(4, async () => {
      await Promise.all([hosted.kill(), a.kill(), b.kill()])
      await Promise.all([hosted.start(), a.start(), b.start()])
    }))
})
