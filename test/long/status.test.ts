// Goal: status tells the truth about the link within seconds; what waited goes both ways at once when it is back; a write says how far it came.
// Method: one local behind a link that can be cut without a word, a second one beside it; times are measured from the cut and from its end.
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { done, isHidden, linkedHosted, type Said, shown, statusOf } from "../support/linked.ts"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"
import type { Link } from "../support/tcpLink.ts"

/** What is promised: seconds until the cut shows, until its end shows, until everything waiting has arrived. */
const offlineWithin = 15_000
// promised are two seconds each, and seen on a quiet machine; the rest is room for whatever else two cores are doing
const backWithin = 10_000
const completeWithin = 10_000
/** Longer than every timeout on the way. */
const longCut = 45_000

let world: World
let hosted: Backend
let link: Link
/** Behind the link. */
let a: Backend
/** Connected to the hub directly. */
let b: Backend
let tenant: string
const inStep = () => agreed(tenant, hosted, [a, b])
const peerOf = async (local: Backend): Promise<string> => (await statusOf(local)).peer_id ?? ""
const say = (local: Backend, conversation: string, content: string, query = "") =>
  done<Said>(local, "POST", `/conversations/${conversation}/messages${query}`, { role: "user", content })
const contents = async (backend: Backend, conversation: string): Promise<ReadonlyArray<string>> =>
  (await isHidden(backend, conversation, tenant)) ? [] : (await shown(backend, conversation, tenant)).messages.map(({ content }) => content).sort()

beforeAll(async () => {
  world = await makeWorld()
  const before = await linkedHosted(world)
  link = before.link
  a = await world.local("a")
  tenant = await world.pair(before.hosted, a)
  await before.hosted.stop()
  // the same hosted backend once more, telling the next device a way that leads past the link
  const leafPort = world.leafPort(before.hosted)
  hosted = await world.hosted(before.hosted.name, { leafPort, leafUrl: `nats-leaf://127.0.0.1:${leafPort}` })
  b = await world.local("b")
  await world.pair(hosted, b)
  await inStep()
}, 120_000)
afterAll(() => world.close())

const state = async () => (await statusOf(a)).state
const since = (start: number) => performance.now() - start

describe("a link cut without a word, for 45 s", () => {
  let cutAt: number
  let mendedAt: number

  it("shows as offline within 15 s, and writing goes on on both sides", async () => {
    await say(a, "journey", "before")
    await inStep()
    link.cut("silent")
    cutAt = performance.now()
    await until(async () => (await state()) === "offline", offlineWithin, () => `not offline after ${since(cutAt)} ms`)
    const status = await statusOf(a)
    assert.match(status.sentence, /^offline since 20\d\d-/)
    assert.isNotNull(status.offline_since)
    for (let n = 0; n < 20; n++) {
      await say(a, "journey", `a ${n}`)
      await say(b, "journey", `b ${n}`, "?wait=hosted")
    }
    assert.strictEqual((await statusOf(a)).pending, 20)
    assert.include((await statusOf(a)).sentence, "20 to send")
    await until(async () => (await contents(hosted, "journey")).includes("b 19"), 5_000)
    assert.notInclude(await contents(a, "journey"), "b 0")
  })

  it("is over with its return, and everything is there, both ways", { timeout: 90_000 }, async () => {
    await until(() => since(cutAt) >= longCut, longCut)
    assert.strictEqual(await state(), "offline")
    link.mend()
    mendedAt = performance.now()
    await until(async () => (await state()) !== "offline", backWithin, () => "still offline")
    const wanted = (await contents(a, "journey")).filter((content) => content.startsWith("a "))
    assert.strictEqual(wanted.length, 20)
    await until(async () => {
      const all = await Promise.all([a, b, hosted].map((backend) => contents(backend, "journey")))
      return all.every((each) => each.length === 41)
    }, completeWithin - since(mendedAt), () => `not complete ${since(mendedAt)} ms after the link's return`)
    console.log(`complete ${Math.round(since(mendedAt))} ms after the return of a link that was cut for ${longCut / 1000} s`)
    await inStep()
  })
})

describe("paused", () => {
  it("nothing passes the link, whatever is written; resume sends and receives what waited", async () => {
    const { code } = await a.cli("local", "pause")
    assert.strictEqual(code, 0)
    assert.strictEqual(await state(), "paused")
    await until(async () => (await done<{ readonly network_status: { readonly link: string } }>(a, "GET", "/debug")).network_status.link === "down", 10_000)
    const before = link.bytes()
    await say(a, "rest", "from a")
    const written = await say(b, "rest", "from b", "?wait=hosted")
    assert.strictEqual(written.reached.tier, "hosted")
    // the leaf would have tried again twice by now, and the head been asked for
    await new Promise((wait) => setTimeout(wait, 2_500))
    assert.strictEqual(link.bytes(), before)
    const status = await statusOf(a)
    assert.deepStrictEqual([status.state, status.sentence, status.pending], ["paused", "paused, 1 to send", 1])
    assert.deepStrictEqual([await contents(a, "rest"), await contents(hosted, "rest")], [["from a"], ["from b"]])

    assert.strictEqual((await a.cli("local", "resume")).code, 0)
    await inStep()
    for (const backend of [a, b, hosted]) assert.deepStrictEqual(await contents(backend, "rest"), ["from a", "from b"])
    assert.isAbove(link.bytes(), before)
  })
})

describe("a hosted process that hangs, with its link up", () => {
  it("shows as of when all was in step, and no more once it goes on", async () => {
    await inStep()
    process.kill(hosted.pid(), "SIGSTOP")
    try {
      await until(async () => (await statusOf(b)).silent_since !== null, 30_000)
      const { out } = await b.cli("status")
      assert.match(out, /^in step as of \d+ s ago; the hosted backend has not answered since/)
    } finally {
      process.kill(hosted.pid(), "SIGCONT")
    }
    await until(async () => (await statusOf(b)).sentence === "in step", 30_000)
  })
})

describe("how far a write has come", () => {
  it("wait=hosted and wait=everywhere return as soon as it is so", async () => {
    assert.deepStrictEqual((await say(a, "tiers", "here")).reached, { tier: "local", missing: [] })
    assert.deepStrictEqual((await say(a, "tiers", "there", "?wait=hosted")).reached, { tier: "hosted", missing: [] })
    const start = performance.now()
    assert.deepStrictEqual((await say(a, "tiers", "all over", "?wait=everywhere")).reached, { tier: "everywhere", missing: [] })
    assert.isBelow(since(start), 3_000)
    const { out } = await b.cli("send", "tiers", "by the command line", "--wait", "everywhere", "--json")
    assert.strictEqual(JSON.parse(out).reached.tier, "everywhere")
  })

  it("they give up when the time is over, and name who is missing", async () => {
    await done(a, "POST", "/pause")
    assert.deepStrictEqual((await say(a, "tiers", "alone", "?wait=hosted&timeout_ms=500")).reached, { tier: "local", missing: [] })
    const late = await say(b, "tiers", "without a", "?wait=everywhere&timeout_ms=1000")
    assert.deepStrictEqual(late.reached, { tier: "hosted", missing: [await peerOf(a)] })
  })

  it("and every message shows it, on all sides", async () => {
    const tiers = async (backend: Backend) => Object.fromEntries((await shown(backend, "tiers", tenant)).messages.map(({ content, tier }) => [content, tier]))
    assert.deepInclude(await tiers(a), { alone: "local" })
    for (const backend of [b, hosted]) assert.deepInclude(await tiers(backend), { "without a": "hosted", "all over": "everywhere" })
    await done(a, "POST", "/resume")
    await inStep()
    for (const backend of [a, b, hosted]) {
      await until(async () => Object.values(await tiers(backend)).every((tier) => tier === "everywhere"), 15_000, () => `${backend.name} shows less than everywhere`)
    }
  })
})
