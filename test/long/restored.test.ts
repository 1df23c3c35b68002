// Goal: what is wiped or put back from an old copy becomes complete again by itself; nothing lost, nothing doubled.
// Method: real backends as processes; their folders are removed or replaced by a copy 100 events old while they are stopped.
import { cpSync, existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { conversations, imported, type Line, made, messagesOf, whole } from "../support/load.ts"
import { makePaired } from "../support/linked.ts"
import type { Backend, World } from "../support/world.ts"

const timeout = 120_000
/** More messages than one commit holds, so that a journal sent once more takes several. */
const first = conversations(0, 400)

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string
let written: ReadonlyArray<Line> = []

const write = async (backend: Backend, lines: ReadonlyArray<Line>) => {
  await imported(backend, lines)
  written = [...written, ...lines]
}

const expectWhole = async () => {
  const result = await whole(tenant, hosted, [a, b])
  const messages = messagesOf(written)
  expect(result).toMatchObject({ conversations: written.length, messages, appended: messages, problems: [], doubled: [] })
}

/** Stop, change what lies on the disk, start again. */
const whileStopped = async (backend: Backend, change: () => void) => {
  await backend.stop()
  change()
  await backend.start()
}

const folderOf = (backend: Backend, stream: string): string => {
  const accounts = join(backend.dir, "nats/store/jetstream")
  const found = readdirSync(accounts).map((account) => join(accounts, account, "streams", stream)).find((folder) => existsSync(folder))
  if (found === undefined) throw new Error(`${backend.name} has no stream ${stream}`)
  return found
}

/** Put a folder back as it was, 100 events ago. `write` brings those 100, and all of them are everywhere before. */
const putBack = async (backend: Backend, folder: string, write: () => Promise<void>, meanwhile: () => Promise<void> = async () => {}) => {
  const copy = join(world.dir, `copy-of-${backend.name}`)
  await whileStopped(backend, () => cpSync(folder, copy, { recursive: true }))
  await write()
  await expectWhole()
  await backend.stop()
  rmSync(folder, { recursive: true })
  cpSync(copy, folder, { recursive: true })
  rmSync(copy, { recursive: true })
  await meanwhile()
  await backend.start()
}

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
  await write(a, first)
  await expectWhole()
})
afterAll(() => world.close())

describe("complete again by itself", () => {
  it("a wiped mirror", { timeout }, async () => {
    await whileStopped(b, () => rmSync(folderOf(b, "MIRROR"), { recursive: true }))
    await expectWhole()
  })

  it("a wiped mirror and deleted tables", { timeout }, async () => {
    await whileStopped(a, () => {
      rmSync(folderOf(a, "MIRROR"), { recursive: true })
      removeTables(a)
    })
    await expectWhole()
  })

  it("deleted tables of a local backend", { timeout }, async () => {
    await whileStopped(a, () => removeTables(a))
    await expectWhole()
  })

  it("deleted tables of the hosted backend", { timeout }, async () => {
    await whileStopped(hosted, () => removeTables(hosted))
    await expectWhole()
    await write(b, made(0, 5))
    await expectWhole()
  })

  it("the data directory of the machine that wrote, restored from a copy 100 events old", { timeout }, async () => {
    await putBack(a, a.dir, () => write(a, made(100, 25)))
    await expectWhole()
    expect(a.log()).toContain("the journal here is not the one the hosted log knows")
    await write(a, made(130, 5))
    await expectWhole()
  })

  it("the same once more, with writes before it has met the others", { timeout }, async () => {
    await putBack(a, a.dir, () => write(a, made(200, 25)))
    await write(a, made(230, 5))
    await expectWhole()
  })

  it("the data directory of a machine that only reads, restored from a copy 100 events old", { timeout }, async () => {
    await putBack(b, b.dir, () => write(a, made(300, 25)))
    await expectWhole()
  })

  it("the same, with news waiting for it that lead past what it lost", { timeout }, async () => {
    await putBack(b, b.dir, () => write(a, made(330, 25)), () => write(a, made(360, 5)))
    await expectWhole()
  })

  it("a lost journal", { timeout }, async () => {
    await whileStopped(a, () => rmSync(folderOf(a, "JOURNAL"), { recursive: true }))
    await expectWhole()
    await write(a, made(400, 5))
    await expectWhole()
  })

  it("the hub's store, restored from a copy 100 events old", { timeout }, async () => {
    await putBack(hosted, join(hosted.dir, "nats/store"), () => write(a, made(500, 25)))
    await expectWhole()
    expect((await hosted.http("GET", "/status")).json.log_epoch).toBe(2)
    await write(b, made(530, 5))
    await expectWhole()
  })

  it("the hub's store, while a local backend is away", { timeout }, async () => {
    await putBack(hosted, join(hosted.dir, "nats/store"), async () => {
      await write(b, made(600, 25))
      await write(a, made(630, 25))
    })
    await b.stop()
    await write(a, made(660, 5))
    await b.start()
    await expectWhole()
  })
})

const removeTables = (backend: Backend) => {
  for (const ending of ["", "-wal", "-shm"]) rmSync(join(backend.dir, `${backend.side}.sqlite${ending}`), { force: true })
}
