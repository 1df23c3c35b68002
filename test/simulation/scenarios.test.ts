// Goal: what the simulation once found stays mended, whatever becomes of its seeds.
// Method: the same worlds with a script instead of dice: calm weather, and the one thing that used to go wrong.
import { assert, describe, it } from "@effect/vitest"
import { emptyImage, makeMemoryStore } from "../../src/nats/memoryStore.ts"
import { Client } from "./client.ts"
import type { Hosted } from "./hosted.ts"
import type { Local } from "./local.ts"
import { quiet } from "./quiet.ts"
import { asItIs } from "./wiring.ts"
import { World } from "./world.ts"

interface Stage {
  readonly world: World
  readonly a: Local
  readonly b: Local
  readonly hosted: Hosted
  /** Do something at a backend, and give it a second. */
  readonly at: (backend: Local | Hosted, what: (client: Client) => void) => void
}

const play = (script: (stage: Stage) => void, seed = 0) => {
  const world = new World(seed, asItIs)
  try {
    world.weather.calm = true
    const [a, b] = world.locals
    const at: Stage["at"] = (backend, what) => {
      what(new Client(world, backend))
      world.kernel.pass(1000)
    }
    world.kernel.pass(1000)
    script({ world, a: a!, b: b!, hosted: world.hosted[0]!, at })
    quiet(world)
    assert.isUndefined(world.kernel.failure, [world.kernel.failure?.why, ...world.kernel.trace.lines].join("\n"))
    return world
  } finally {
    world.close()
  }
}

/** Stop a local, change what lies on its disk, start it again. */
const whileStopped = (local: Local, change: () => void) => {
  local.crash()
  change()
  local.start()
}

describe("found by the simulation", () => {
  it("conversations not synced, something written, synced again: it is not refused for ever", () => {
    play(({ a, at, world }) => {
      at(a, (client) => client.settings({ sync_conversations: false }))
      at(a, (client) => client.bring())
      at(a, (client) => client.settings({ sync_conversations: true }))
      // nobody else says so too
      world.settingsChanged = false
    })
  })

  it("what waits for the link when settings forbid it does not leave with the link's return", () => {
    play(({ a, at, world }) => {
      a.setLink(false)
      at(a, (client) => client.bring())
      world.kernel.pass(5000)
      at(a, (client) => client.settings({ sync_conversations: false }))
      const before = world.hub.log.size().messages
      a.setLink(true)
      world.invariants.sample(a)
      world.kernel.pass(60_000)
      assert.strictEqual(world.hub.log.size().messages, before)
    })
  })

  it("what stays on a machine is known after its tables are gone, and after a crash behind the commit", () => {
    for (let seed = 0; seed < 10; seed++) {
      play(({ a, at, hosted, world }) => {
        at(a, (client) => client.settings({ allowed_surfaces: ["nowhere"] }))
        at(a, (client) => client.bring())
        // the answer never comes: the machine dies first
        a.setLink(false)
        at(a, (client) => client.bring())
        a.setLink(true)
        world.kernel.pass(20)
        whileStopped(a, () => {})
        world.kernel.pass(5000)
        whileStopped(a, () => a.tables.empty())
        at(hosted, (client) => client.bring())
        // a mirror that lost its end with the machine is found by the watchdog
        world.kernel.pass(60_000)
        assert.isAbove(a.withheld.size, 2)
      }, seed)
    }
  })

  it("a data directory put back, with news waiting behind its hole, sends nothing a second time", () => {
    play(({ a, at, b, world }) => {
      at(b, (client) => client.bring())
      at(a, (client) => client.bring())
      const copy = a.copy()
      const mirror = a.feed.mirror!.image(a.feed.mirror!.size().lastSeq - 6)
      at(a, (client) => client.bring())
      whileStopped(a, () => {
        at(b, (client) => client.bring())
        a.putBack({ ...copy, mirror })
        a.tables.empty()
        world.invariants.putBack(a)
      })
    })
  })

  it("a mirror that lost its beginning and then its end hides nothing", () => {
    play(({ a, at, b, hosted, world }) => {
      at(b, (client) => client.bring())
      const nothing = () => makeMemoryStore("MIRROR", emptyImage(world.kernel.now))
      a.setLink(false)
      at(b, (client) => client.bring())
      // nobody there to compare it with the log
      for (const process of world.hosted) process.crash()
      whileStopped(a, () => {
        a.feed.mirror = nothing()
        a.tables.empty()
      })
      world.kernel.pass(1000)
      a.setLink(true)
      world.kernel.pass(2000)
      whileStopped(a, () => { a.feed.mirror = nothing() })
      world.kernel.pass(1000)
      hosted.start()
    })
  })
})
