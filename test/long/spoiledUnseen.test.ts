// Goal: what the hub's disk spoiled under a hosted process that read it long ago is found by the device that reads it next, and mended.
// Method: real backends; a message is changed in a block file of the running hub, which everybody there has read. Nothing notices, until a
// machine joins: its mirror shows what does not verify, fetched anew as well; it tells hosted, which reads all of the log again.
import { assert, describe, it } from "@effect/vitest"
import { join } from "node:path"
import { afterAll, beforeAll } from "vitest"
import { subjects } from "../../streams/subjects.ts"
import { blocksOf, exchange } from "../support/natsStore.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

/** nats-server keeps a block in memory for ten seconds after it was last read, and nothing tells when it let go. Milliseconds. */
const inMemoryMax = 12_000
/** More than a block (8 MiB): the one that is spoiled is closed, and nobody has a reason to read it. */
const filling = { messages: 8, times: 4, length: 300_000 }
const told = "a device finds places in the log that do not verify"

let world: World
let hosted: Backend
let ada: Backend
let tenant: string

const importAs = async (conversation: string, contents: ReadonlyArray<string>) => {
  const line = JSON.stringify({ conversation_id: conversation, messages: contents.map((content, i) => ({ id: `m${i}`, role: "user", content })) })
  const { status, text } = await ada.http("POST", "/import", `${line}\n`)
  assert.strictEqual(status, 200, text)
}
const contentsOf = async (backend: Backend): Promise<ReadonlyArray<string>> => {
  const { json, status } = await backend.http("GET", `/conversations/first${backend.side === "hosted" ? `?tenant=${tenant}` : ""}`)
  return status === 200 ? json.messages.map(({ content }: { readonly content: string }) => content) : []
}
const epoch = async () => Number((await hosted.http("GET", "/status")).json.log_epoch)
const quarantined = async (backend: Backend) => Number((await backend.http("GET", "/status")).json.quarantined)

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted("hosted", { args: ["--syncs-per-minute", "1000000"] })
  ada = await world.local("ada")
  tenant = await world.pair(hosted, ada)
  await importAs("first", ["a0", "a1", "a2"])
  for (let i = 0; i < filling.times; i++) await importAs(`more-${i}`, Array.from({ length: filling.messages }, (_, n) => `${i} ${n} `.repeat(filling.length / 4)))
  await agreed(tenant, hosted, [ada])
}, 120_000)
afterAll(() => world.close(), 60_000)

describe("a log spoiled on the hub's disk after everybody there had read it", { timeout: 180_000 }, () => {
  it("is noticed by nobody who has read it", async () => {
    const on = subjects.logConversation(tenant, "first")
    const blocks = blocksOf(join(hosted.dir, "nats", "store"), "LOG", on)
    assert.isAtLeast(blocks.length, 2)
    const block = blocks[0]!
    const message = block.messages.filter(({ subject }) => subject === on)[2]!
    const body = Buffer.from(message.body)
    body[body.length - 60] = body[body.length - 60]! ^ 1
    exchange("LOG", block, message, { ...message, body })
    await new Promise((wait) => setTimeout(wait, inMemoryMax))
    assert.deepStrictEqual([await epoch(), await quarantined(ada), hosted.log().includes(told)], [1, 0, false])
  })

  it("is found by a machine that joins; hosted reads it again, and who wrote it sends it once more", async () => {
    const cat = await world.local("cat")
    await world.pair(hosted, cat)
    await until(() => hosted.log().includes(told), 60_000, () => cat.log().slice(-3000))
    await until(async () => await epoch() === 2, 30_000, () => hosted.log().slice(-3000))
    for (const backend of [hosted, ada, cat]) {
      let seen: ReadonlyArray<string> = []
      await until(async () => (seen = await contentsOf(backend)).join() === "a0,a1,a2", 60_000, () => `${backend.name} shows ${seen.join()}\n${backend.log().slice(-2000)}`)
    }
    await agreed(tenant, hosted, [ada, cat])
  })

  it("is in hosted's tables from then on, so that the device is not heard again", async () => {
    const cats = JSON.parse((await hosted.cli("verify", "--on", "hosted", "--tenant", tenant, "--json")).out.trim().split("\n").at(-1)!) as { readonly problems: ReadonlyArray<{ readonly seq: number }> }
    assert.isAtLeast(cats.problems.length, 1)
    assert.strictEqual(hosted.log().split(told).length, 2)
    assert.strictEqual(await epoch(), 2)
  })
})
