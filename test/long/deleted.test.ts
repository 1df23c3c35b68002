// Goal: what is deleted under a running local backend is noticed and made whole: mirror, consumers, the journal itself.
// Method: real backends; JetStream's own API deletes each, as a person with a NATS tool could.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { mirrorName, peerConsumer, relayConsumer, streams } from "../../streams/definitions.ts"
import { callJetStream } from "../support/faults/jetstream.ts"
import { imported, type Line, made, messagesOf, whole } from "../support/load.ts"
import { makePaired } from "../support/linked.ts"
import { type Backend, until, type World } from "../support/world.ts"

const timeout = 60_000

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string
let written: ReadonlyArray<Line> = []

const write = async (backend: Backend, from: number) => {
  const lines = made(from, 5)
  await imported(backend, lines)
  written = [...written, ...lines]
}
const expectWhole = async () => {
  const messages = messagesOf(written)
  expect(await whole(tenant, hosted, [a, b])).toMatchObject({ conversations: written.length, messages, appended: messages, problems: [], doubled: [] })
}
const remove = async (backend: Backend, call: string) => expect(await callJetStream(world, backend, call)).toContain("\"success\":true")

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
  await write(a, 0)
  await write(b, 100)
  await expectWhole()
})
afterAll(() => world.close())

describe("deleted under a running local backend", () => {
  it("the mirror is fetched again", { timeout }, async () => {
    await remove(b, `STREAM.DELETE.${mirrorName}`)
    await write(a, 200)
    await expectWhole()
  })

  it("the hub's consumer for its mirror is made again", { timeout }, async () => {
    const { peer_id } = (await b.http("GET", "/status")).json
    await remove(hosted, `CONSUMER.DELETE.${streams.log.name}.${peerConsumer.nameOf(peer_id)}`)
    await write(a, 300)
    await expectWhole()
  })

  it("the relay's consumer is made again, and nothing is sent twice", { timeout }, async () => {
    await remove(a, `CONSUMER.DELETE.${relayConsumer.stream}.${relayConsumer.name}`)
    await write(a, 400)
    await expectWhole()
  })

  it("the journal stops the process with the reason; the next start takes back from the log what was sent", { timeout }, async () => {
    await remove(a, `STREAM.DELETE.${streams.journal.name}`)
    await until(() => !a.running(), 10_000, () => "it runs on without a journal")
    expect(a.log()).toContain("JournalGone")
    await a.start()
    await expectWhole()
    await write(a, 500)
    await expectWhole()
  })
})
