// Goal: two hosted processes on one hub serve one log: no event twice, no gap in any chain, either may die.
// Method: a second real process joins by the first one's cluster file; two locals import at once; one process is killed.
import { cpSync, rmSync } from "node:fs"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { join } from "node:path"
import { freshProof } from "../../src/security/proofs.ts"
import { encodeBearer } from "../../src/security/sessionToken.ts"
import { conversations, importing, messagesOf, whole } from "../support/load.ts"
import { enrol, makeRawPeer, registerRaw, tokenFor } from "../support/rawPeer.ts"
import { makeTwoHosted } from "../support/linked.ts"
import { type Backend, digestOf, until, type World } from "../support/world.ts"

const timeout = 120_000
const perLocal = 100

let world: World
let first: Backend
let second: Backend
let a: Backend
let b: Backend
let tenant: string

beforeAll(async () => {
  ;({ first, second, world } = await makeTwoHosted())
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
  it("make one tenant of a user whom both enrol at the same moment", { timeout }, async () => {
    const enrolled = await Promise.all(Array.from({ length: 6 }, (_, i) => (i % 2 === 0 ? first : second).http("POST", "/enroll", { user: "carol" })))
    expect(enrolled.map(({ status }) => status)).toEqual(enrolled.map(() => 200))
    expect(new Set(enrolled.map(({ json }) => json.tenant)).size).toBe(1)
    expect(new Set(enrolled.map(({ json }) => json.code)).size).toBe(enrolled.length)
  })

  it("know alike how far each device is, whichever of them heard it", { timeout }, async () => {
    const known = async (process: Backend) =>
      JSON.stringify((await process.http<{ readonly peers: ReadonlyArray<{ readonly peer_id: string; readonly last_seen: string | null; readonly log_seq: number }> }>("GET", "/peers")).json.peers.map(({ last_seen, log_seq, peer_id }) => [peer_id, last_seen, log_seq]).toSorted())
    let seen: ReadonlyArray<string> = []
    await until(async () => {
      seen = await Promise.all([first, second].map(known))
      return seen[0] === seen[1] && !seen[0]!.includes("null")
    }, 30_000, () => `one knows other positions than the other: ${seen.join(" ")}`)
  })

  it("take a fresh proof once, and a ticket once, whichever of them is asked", { timeout }, async () => {
    const device = await makeRawPeer("prover")
    const code = await enrol(first, "dora")
    const token = await tokenFor(first, device, code)
    const { peer_id = "" } = (await registerRaw(first, device, token)).json
    const authorization = `Bearer ${encodeBearer(token)}`
    // the other hears of the device a moment later
    await until(async () => (await fetch(`${second.url()}/conversations`, { headers: { authorization } })).status === 200, 10_000)
    const path = "/privacy-settings"
    const proof = () => Effect.runPromise(freshProof(device.pair.privateKey, { peerId: peer_id, time: new Date().toISOString() }, { method: "GET", path, body: new Uint8Array() }))
    const ask = async (hosted: Backend, header: string) => (await fetch(hosted.url() + path, { headers: { authorization, "maestra-proof": header } })).status
    const header = await proof()
    expect(await ask(first, header)).toBe(200)
    expect(await ask(second, header)).toBe(403)
    const other = await proof()
    expect((await Promise.all([ask(first, other), ask(second, other)])).toSorted()).toEqual([200, 403])

    const bought = await fetch(`${first.url()}/telemetry/${peer_id}/ticket`, { method: "POST", headers: { authorization } })
    const { ticket } = (await bought.json()) as { readonly ticket: string }
    const opens = (hosted: Backend) => new Promise<boolean>((done) => {
      const socket = new WebSocket(`${hosted.url().replace("http", "ws")}/telemetry/${peer_id}?ticket=${ticket}`)
      socket.onopen = () => { socket.close(); done(true) }
      socket.onerror = () => done(false)
    })
    expect(await opens(second)).toBe(true)
    expect([await opens(first), await opens(second)]).toEqual([false, false])
  })

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

  it("the hub's store is put back from an older copy: the process that only joined goes on in the new epoch", { timeout }, async () => {
    const store = join(first.dir, "nats/store")
    await first.stop()
    cpSync(store, `${store}.copy`, { recursive: true })
    await first.start()
    const loads = importBoth(2)
    await Promise.all(loads.map(({ done }) => done))
    await expectWhole(3)
    await first.stop()
    rmSync(store, { recursive: true })
    cpSync(`${store}.copy`, store, { recursive: true })
    await first.start()
    await until(async () => (await second.http("GET", "/status")).json.log_epoch === 2, 20_000, () => second.log().slice(-1500))
    await expectWhole(3)
    const more = importBoth(3)
    await Promise.all(more.map(({ done }) => done))
    await expectWhole(4)
    expect(second.log()).not.toContain("stopped")
  })
})
