// Goal: one data directory, one process; one identity, one place. Whatever ends, ends whole.
// Method: real backends as processes, started twice on one folder, on a copy of it, and ended in every way.
import { cpSync, existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { imported, made } from "../support/load.ts"
import { makePaired } from "../support/linked.ts"
import { agreed, type Backend, until, type World } from "../support/world.ts"

const timeout = 120_000

let world: World
let hosted: Backend
let a: Backend
let b: Backend
let tenant: string

beforeAll(async () => {
  ;({ a, b, hosted, tenant, world } = await makePaired())
  await imported(a, made(0, 10))
  await agreed(tenant, hosted, [a, b])
})
afterAll(() => world.close())

/** A process that ended and was not yet asked for its exit code does not count. */
const isAlive = (pid: number): boolean => {
  const stat = `/proc/${pid}/stat`
  try {
    process.kill(pid, 0)
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "latin1"))
  } catch {
    return false
  }
}

const statusOf = async (local: Backend) => (await local.http("GET", "/status")).json

describe("twice on one data directory", () => {
  it("a second local backend is refused, with the reason", { timeout }, async () => {
    const second = await a.cli("local", "up", "--port", "0")
    expect([second.code, second.err]).toEqual([1, expect.stringContaining("already runs")])
    expect((await statusOf(a)).state).toBe("in_step")
  })

  it("so is one that the first does not answer", { timeout }, async () => {
    process.kill(a.pid(), "SIGSTOP")
    const second = await a.cli("local", "up", "--port", "0")
    process.kill(a.pid(), "SIGCONT")
    expect([second.code, second.err]).toEqual([1, expect.stringContaining("already running")])
  })

  it("and a second hosted process", { timeout }, async () => {
    const second = await hosted.cli("hosted", "up", "--port", "0", "--nats-port", "0", "--leaf-port", "0")
    expect([second.code, second.err]).toEqual([1, expect.stringContaining("already runs")])
  })
})

describe("one identity in two places", () => {
  it("one of them is stopped, the other goes on, and nothing acknowledged is lost", { timeout }, async () => {
    const home = join(world.dir, "copy")
    await a.stop()
    cpSync(a.home, home, { recursive: true })
    await a.start()
    const copy = await world.local("copy", { home })

    // both write until one of them is told
    let round = 0
    const told = async () => (await Promise.all([a, copy].map(async (local) => ({ local, ...await statusOf(local) })))).filter(({ needs }) => needs !== null)
    await until(async () => {
      await imported(a, made(1000 + round, 1))
      await imported(copy, made(2000 + round, 1))
      round++
      return (await told()).length > 0
    }, 60_000, () => `neither is told:\n${a.log().slice(-2000)}\n--- copy\n${copy.log().slice(-2000)}`)
    const stopped = await told()
    expect(stopped.map(({ needs, state }) => [state, needs])).toEqual([["needs_you", expect.stringContaining("this identity runs twice")]])

    // the one that was not told goes on alone
    const off: Backend = stopped[0]!.local
    const on = off === a ? copy : a
    await imported(on, made(3000, 5))
    await agreed(tenant, hosted, [on, b])

    // the other keeps what it acknowledged, and once it is alone a word brings it all to the others
    await on.stop()
    expect((await off.http("POST", "/resume")).status).toBeLessThan(300)
    const digest = await agreed(tenant, hosted, [off, b])
    expect(digest.conversations).toBe(10 + 2 * round + 5)
    if (off === a) return
    await off.stop()
    await a.start()
    expect((await agreed(tenant, hosted, [a, b])).digest).toBe(digest.digest)
  })
})

describe("no process is left", () => {
  it("after SIGTERM of each", { timeout }, async () => {
    for (const backend of [a, hosted]) {
      const pids = [backend.pid(), backend.natsPid()]
      expect(pids.map(isAlive)).toEqual([true, true])
      await backend.stop()
      expect(pids.map(isAlive)).toEqual([false, false])
      await backend.start()
    }
  })

  it.runIf(process.platform === "linux")("after SIGKILL of a backend its nats-server goes too", { timeout }, async () => {
    for (const backend of [a, hosted]) {
      const server = backend.natsPid()
      await backend.kill()
      await until(() => !isAlive(server), 5000, () => "the nats-server outlives its backend")
      await backend.start()
    }
    await agreed(tenant, hosted, [a, b])
  })
})
