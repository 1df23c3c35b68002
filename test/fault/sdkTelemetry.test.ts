// Goal: what a surface tells is counted once, whatever the connection does; limits are waited out, settings obeyed, nobody is held up.
// Method: the SDK's queue and stream against scripted backends that count by id; connections break, answers get lost, time is counted instead of waited.
import { assert, describe, it } from "@effect/vitest"
import type { SideName } from "../../src/sdk/typescript/api.ts"
import type { LinkState } from "../../src/sdk/typescript/Link.ts"
import { defaultPlatform, type Heard, type Platform } from "../../src/sdk/typescript/platform.ts"
import { memoryStorage, type Storage } from "../../src/sdk/typescript/storage.ts"
import { TelemetryQueue } from "../../src/sdk/typescript/TelemetryQueue.ts"
import { keepTelling } from "../../src/sdk/typescript/telemetryStream.ts"
import { dataKey } from "../../src/security/portable/sealing.ts"
import { defaults, type Settings } from "../../streams/events/settings.ts"
import { until } from "../support/world.ts"

/** A backend as its telemetry endpoint behaves: it counts by id, and does to the next connections what the script says. */
const makeBackend = () => {
  const backend = {
    counted: new Map<string, Readonly<Record<string, unknown>>>(),
    frames: 0,
    open: 0,
    openMax: 0,
    down: false,
    /** What is done with a frame; `undefined`: it is stored and acknowledged. `lost`: stored, and the connection breaks before the answer. */
    script: (_: Readonly<Record<string, unknown>>, __: number): undefined | "lost" | { readonly error: string; readonly retry_after_ms?: number } => undefined
  }
  return backend
}
type Backend = ReturnType<typeof makeBackend>

const urls: Readonly<Record<SideName, string>> = { local: "http://local", hosted: "http://hosted" }

/** The world of one surface: its sides, its settings, and every wait it made, in milliseconds. */
const makeWorld = (sides: ReadonlyArray<SideName>) => {
  const backends: Record<SideName, Backend> = { local: makeBackend(), hosted: makeBackend() }
  const waits: Array<number> = []
  const { promise: minute, resolve: over } = Promise.withResolvers<void>()
  const world = { backends, waits, settings: { ...defaults } as Settings }
  const at = (url: string) => backends[new URL(url.replace("ws", "http")).host as SideName]
  const connect = (url: string, on: Heard) => {
    const backend = at(url)
    let isOpen = true
    backend.openMax = Math.max(backend.openMax, ++backend.open)
    const close = () => {
      if (!isOpen) return
      isOpen = false
      backend.open--
      queueMicrotask(on.closed)
    }
    queueMicrotask(on.open)
    return {
      close,
      send: (text: string) => {
        if (!isOpen) return
        const event = JSON.parse(text) as Readonly<Record<string, unknown>>
        const event_id = String(event["event_id"])
        const said = backend.script(event, ++backend.frames)
        if (said === "lost" || said === undefined) backend.counted.set(event_id, event)
        if (said === "lost") return close()
        queueMicrotask(() => isOpen && on.message(JSON.stringify(said === undefined ? { status: "acked", event_id } : { status: "rejected", event_id, ...said })))
      }
    }
  }
  const platform: Platform = {
    ...defaultPlatform, connect, random: () => 0.5,
    fetch: async (url) => {
      if (at(String(url)).down) throw new TypeError("fetch failed")
      return Response.json({ ticket: "t" })
    },
    // every wait is noted and takes a moment, but answers are waited for as long as it takes
    sleep: (millis, signal) => {
      if (millis !== 30_000) waits.push(millis)
      if (millis === 12_345) return minute
      return defaultPlatform.sleep(millis === 30_000 ? 5000 : 5, signal)
    }
  }
  const key = dataKey("t_aaaaaaaaaaaaaaaa.1", new Uint8Array(32).fill(7))
  const state: LinkState = {
    mode: "hybrid", userId: "ada", tenant: "t_aaaaaaaaaaaaaaaa", peerId: "peer_0123456789abcdef", dataKeys: [], expires: {},
    hosted: { url: urls.hosted, backendId: "", fingerprint: "" }, local: { url: urls.local, backendId: "", fingerprint: "" }
  }
  return {
    ...world,
    /** The time a backend asked for is over. */
    over,
    tab: (storage: Storage) => {
      const queue = new TelemetryQueue(storage, platform, { sourceBackend: "ios_local", surface: "ios" })
      const link = { bearer: async () => "b", dataKeys: async () => [await key], isDue: async () => false, register: async () => state, state: async () => state }
      const telling = keepTelling({ queue, storage, link, platform, sides: async () => sides, settings: async () => world.settings })
      const emit = async (event_type: string, event_id?: string) => {
        const id = await queue.add({ event_type, ...(event_id === undefined ? {} : { event_id }) })
        telling.wake()
        return id
      }
      const drained = () => until(async () => (await queue.status()).waiting === 0, 10_000)
      return { queue, emit, drained, stop: telling.stop }
    },
    set: (change: Partial<Settings>) => void (world.settings = { ...world.settings, ...change })
  }
}

describe("telemetry of a surface", () => {
  it("is counted once, however often the connection breaks before the answer", async () => {
    const world = makeWorld(["hosted"])
    const { hosted } = world.backends
    // stored at once, and every seventh loses the connection the first time
    hosted.script = ({ event_id, event_type }) => Number(String(event_type).slice(5)) % 7 === 0 && !hosted.counted.has(String(event_id)) ? "lost" : undefined
    const tab = world.tab(memoryStorage())
    const ids = await Promise.all(Array.from({ length: 250 }, (_, n) => tab.emit(`type ${n}`)))
    await tab.drained()
    await tab.stop()
    assert.deepStrictEqual([...hosted.counted.keys()].sort(), [...ids].sort())
    assert.isAbove(hosted.frames, 250)
    const [first] = hosted.counted.values()
    assert.deepInclude(first, { source_backend: "ios_local", session_id: "", metadata: { surface: "ios" } })
    assert.strictEqual(hosted.open, 0)
  })

  it("waits as long as a backend asks, whatever is emitted meanwhile, and loses nothing", async () => {
    const world = makeWorld(["hosted"])
    const { hosted } = world.backends
    hosted.script = (_, frame) => frame > 10 && frame <= 15 ? { error: "rate_limited", retry_after_ms: 12_345 } : undefined
    const tab = world.tab(memoryStorage())
    for (let n = 0; n < 15; n++) await tab.queue.add({ event_type: "t" })
    await tab.emit("t")
    await until(() => world.waits.includes(12_345), 5000)
    const { frames } = hosted
    await tab.emit("meanwhile")
    await new Promise((later) => setTimeout(later, 200))
    assert.strictEqual(hosted.frames, frames)
    world.over()
    await tab.drained()
    await tab.stop()
    assert.strictEqual(hosted.counted.size, 17)
    // what was refused for now came again, once
    assert.strictEqual(hosted.frames, 17 + 5)
  })

  it("one that a backend never takes costs no other, and is counted as refused", async () => {
    const world = makeWorld(["hosted"])
    world.backends.hosted.script = ({ event_id }) => event_id === "bad" ? { error: "metadata: too deep" } : undefined
    const tab = world.tab(memoryStorage())
    for (const id of ["a", "bad", "b"]) await tab.emit("t", id)
    await tab.drained()
    assert.deepStrictEqual([...world.backends.hosted.counted.keys()].sort(), ["a", "b"])
    assert.deepStrictEqual(await tab.queue.status(), { waiting: 0, refused: 1 })
    for (const event_type of ["", "x".repeat(70_000)]) assert.match(String(await tab.emit(event_type).catch((cause: unknown) => cause)), /was not kept/)
    await tab.stop()
  })

  it("what was once offered to one side goes to no other, and new events go to the side that answers", async () => {
    const world = makeWorld(["local", "hosted"])
    const { hosted, local } = world.backends
    const tab = world.tab(memoryStorage())
    // stored there, and the answer lost: only local may be asked again
    local.script = () => "lost"
    await tab.emit("t", "first")
    await until(() => local.counted.has("first"), 5000)
    local.down = true
    await tab.emit("t", "second")
    await until(() => hosted.counted.has("second"), 5000)
    assert.isFalse(hosted.counted.has("first"))
    local.script = () => undefined
    local.down = false
    await tab.drained()
    await tab.stop()
    assert.deepStrictEqual([[...local.counted.keys()], [...hosted.counted.keys()]], [["first"], ["second"]])
  })

  it("obeys the settings: lets go what may not be told, keeps what may not be told yet, hides what is personal", async () => {
    const world = makeWorld(["hosted"])
    const { hosted } = world.backends
    const tab = world.tab(memoryStorage())
    world.set({ sync_telemetry: false })
    await tab.emit("private")
    await tab.drained()
    world.set({ sync_telemetry: true, sync_enabled: false })
    await tab.queue.add({ event_type: "later", event_id: "of ada@example.org", metadata: { to: "ada@example.org" } })
    await tab.emit("later too")
    assert.strictEqual((await tab.queue.status()).waiting, 2)
    assert.strictEqual(hosted.frames, 0)
    world.set({ sync_enabled: true })
    await tab.drained()
    await tab.stop()
    const told = JSON.stringify([...hosted.counted.values()])
    assert.notInclude(told, "ada@")
    assert.include(told, "[REDACTED_EMAIL]")
    assert.isTrue([...hosted.counted.keys()].some((id) => id.startsWith("h_")))
  })

  it("lets the oldest go where nobody listens for long", async () => {
    const world = makeWorld(["hosted"])
    world.backends.hosted.down = true
    const storage = memoryStorage()
    const tab = world.tab(storage)
    await tab.stop()
    for (let n = 0; n < 1100; n++) await tab.queue.add({ event_type: String(n) })
    const left = (await storage.list("telemetry/")).map(([, value]) => (value as { readonly event: { readonly event_type: string } }).event.event_type)
    assert.isAtMost(left.length, 1032)
    assert.strictEqual(left.at(-1), "1099")
    assert.notInclude(left, "0")
  })

  it("two tabs hold one stream, and the other goes on when one is closed", async () => {
    const world = makeWorld(["hosted"])
    const { hosted } = world.backends
    const storage = memoryStorage()
    const [one, two] = [world.tab(storage), world.tab(storage)]
    await Promise.all(Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? one : two).emit("t")))
    await one.drained()
    await one.stop()
    for (let n = 0; n < 10; n++) await two.emit("t")
    await two.drained()
    await two.stop()
    assert.deepStrictEqual([hosted.counted.size, hosted.frames, hosted.openMax], [70, 70, 1])
  })
})
