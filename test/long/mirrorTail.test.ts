// Goal: a mirror that loses its end with its nats-server, because it is not synced write by write, becomes whole again by itself.
// Method: real backends; the reader's mirror is exchanged for an older copy of itself, then its nats-server killed under the running process.
import { cpSync, readdirSync, renameSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { imported, made, messagesOf, whole } from "../support/load.ts"
import { type Backend, makeWorld, until, type World } from "../support/world.ts"

let world: World
let hosted: Backend
let writer: Backend
let reader: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  writer = await world.local("writer")
  reader = await world.local("reader")
  tenant = await world.pair(hosted, writer)
  await world.pair(hosted, reader)
})
afterAll(() => world.close())

describe("a mirror whose end was not on the disk yet", () => {
  it("is fetched again, although the log has gone on since", { timeout: 120_000 }, async () => {
    const early = made(0, 10)
    const lost = made(100, 10)
    const late = made(200, 10)
    const streams = join(reader.dir, "nats/store/jetstream", readdirSync(join(reader.dir, "nats/store/jetstream"))[0]!, "streams")
    const before = join(world.dir, "mirror-before")

    await imported(writer, early)
    await whole(tenant, hosted, [writer, reader])
    await reader.stop()
    cpSync(join(streams, "MIRROR"), before, { recursive: true })
    await reader.start()
    await imported(writer, lost)
    await whole(tenant, hosted, [writer, reader])

    // the hub hears how far a mirror has come about once a second; not having heard, it would send all of it again by itself
    await new Promise((heard) => setTimeout(heard, 3000))
    // as a power cut leaves it: the hub was told that the reader has these, and the reader's disk does not
    renameSync(join(streams, "MIRROR"), join(world.dir, "mirror-after"))
    renameSync(before, join(streams, "MIRROR"))
    const killed = reader.natsPid()
    process.kill(killed, "SIGKILL")
    await until(() => reader.natsPid() !== killed, 30_000)
    // by another author: no gap in a chain gives the hole away
    await imported(reader, late)

    const result = await whole(tenant, hosted, [writer, reader])
    const all = [...early, ...lost, ...late]
    expect(result).toMatchObject({ conversations: all.length, messages: messagesOf(all), appended: messagesOf(all), problems: [], doubled: [] })
  })
})
