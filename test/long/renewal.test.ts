// Goal: sessions and leaf tokens end and are renewed all the time, and nobody notices.
// Method: real backends with sessions of half a minute; writes are timed over two renewals and one token's end.
import { afterAll, beforeAll, expect, it } from "vitest"
import { agreed, type Backend, makeWorld, until, type World } from "../support/world.ts"

/** 30 s in hours. */
const sessionHours = 30 / 3600
/** A token's end costs the leaf about one second; more than this would be noticed. */
const stallMaxMs = 5000

let world: World
let hosted: Backend
let a: Backend
let tenant: string

beforeAll(async () => {
  world = await makeWorld()
  hosted = await world.hosted()
  a = await world.local("a", { args: ["--session-hours", String(sessionHours)] })
  tenant = await world.pair(hosted, a)
})
afterAll(() => world.close())

it("writes reach hosted without a stall over renewals and the end of a leaf token", { timeout: 120_000 }, async () => {
  const status = async () => (await a.http("GET", "/status")).json
  const first: string = (await status()).registration_expires_at
  const ends = new Set<string>()
  const states = new Set<string>()
  let slowest = 0
  let drops = 0
  let link = ""
  let written = 0
  // until the second renewal's registration is in force, past the end of the token the link began with
  await until(async () => {
    const before = performance.now()
    const answer = await a.http("POST", "/conversations/renewals/messages?wait=hosted&timeout_ms=20000", { role: "user", content: `message ${written++}` })
    expect([answer.status, answer.json.reached.tier]).toEqual([201, "hosted"])
    slowest = Math.max(slowest, performance.now() - before)
    const now = await status()
    ends.add(now.registration_expires_at)
    states.add(now.state)
    const { network_status } = (await a.http("GET", "/debug")).json
    if (link !== "" && network_status.since !== link) drops++
    link = network_status.since
    return ends.size >= 3 && new Date().toISOString() > first && drops > 0
  }, 90_000, () => JSON.stringify({ ends: [...ends], drops, states: [...states] }))
  expect(slowest).toBeLessThan(stallMaxMs)
  expect([...states].filter((state) => state !== "in_step" && state !== "sending" && state !== "receiving")).toEqual([])
  expect((await agreed(tenant, hosted, [a])).messages).toBe(written)
})
