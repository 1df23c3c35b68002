import type { Settings } from "../../../streams/events/settings.ts"
import type { SideName } from "./api.ts"
import { call, jsonOf } from "./http.ts"
import { type Link, urlOf } from "./Link.ts"
import { makeNames } from "./Names.ts"
import type { Connection, Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import type { Storage } from "./storage.ts"
import { makePauses, pauseAfter } from "./syncLoop.ts"
import type { Outgoing, TelemetryQueue } from "./TelemetryQueue.ts"

export interface TelemetryParts {
  readonly queue: TelemetryQueue
  readonly storage: Storage
  readonly link: Pick<Link, "bearer" | "dataKeys" | "isDue" | "register" | "state">
  readonly platform: Platform
  readonly sides: () => Promise<ReadonlyArray<SideName>>
  readonly settings: () => Promise<Settings | undefined>
}

/** Frames on their way at once: a connection's worth of patience, and a tenth of a minute's limit. */
const inFlightMax = 100
/** A backend answers a frame when it is fsynced; after this long without an answer the connection is taken for dead. Milliseconds. */
const answerMaxMillis = 30_000
/** How often to look whether another tab has left something, or the settings let something out now. Milliseconds. */
const lookEvery = 5000

/** What a backend said to one frame. */
interface Answered {
  readonly status: "acked" | "rejected"
  readonly error?: string
  readonly retry_after_ms?: number
}

/**
 * Tell each side what waits for it, for ever, over WebSockets that are opened when there is something to tell. One tab at a
 * time does so for all. New events go to the nearest side that can be reached.
 */
export const keepTelling = (parts: TelemetryParts) => {
  const ended = new AbortController()
  const { hold, wake } = makePauses(parts.platform, ended.signal)
  const reachable = new Map<SideName, boolean>()
  const run = async (side: SideName, nearer: SideName | undefined): Promise<void> => {
    const takesNew = () => nearer === undefined || reachable.get(nearer) === false
    for (let tries = 0; !ended.signal.aborted;) {
      let wait = { heldMillis: 0, nextMillis: lookEvery }
      try {
        wait = { ...wait, heldMillis: await tellAll(parts, side, takesNew, () => {
          reachable.set(side, true)
          tries = 0
        }, ended.signal) }
      } catch (cause) {
        reachable.set(side, false)
        wait = { heldMillis: cause instanceof MaestraError ? cause.retryMillis : 0, nextMillis: pauseAfter(tries++, parts.platform.random()) }
      }
      await hold(wait)
    }
  }
  let running: Promise<unknown> = Promise.resolve()
  // another tab may have it for as long as it lives: nobody waits for that
  void parts.storage.alone("telling", async () => {
    running = parts.sides().then((sides) => Promise.all(sides.map((side, at) => run(side, sides[at - 1])))).catch(() => undefined)
    await running
  }).catch(() => undefined)
  return {
    wake,
    stop: async () => {
      ended.abort()
      await running
    }
  }
}

/** Tell a side everything there is for it. Answers how many milliseconds it asked to be left alone; throws where it cannot be reached. */
const tellAll = async (parts: TelemetryParts, side: SideName, takesNew: () => boolean, onOpen: () => void, signal: AbortSignal): Promise<number> => {
  const { link, queue } = parts
  const settings = await parts.settings()
  const [first] = settings === undefined ? [] : await link.dataKeys()
  if (settings === undefined || first === undefined) return 0
  const names = makeNames(first)
  // what is claimed is this side's for good, so nothing is before there is a connection
  if (!(await queue.hasFor(side, takesNew()))) return 0
  const stream = await openStream(parts, side, signal)
  onOpen()
  try {
    while (!signal.aborted) {
      const batch = await queue.claim(side, settings, names, { takesNew: takesNew(), max: inFlightMax })
      const wait = await tell(queue, stream, batch)
      if (wait > 0 || batch.length === 0) return wait
    }
    return 0
  } finally {
    stream.close()
  }
}

/** One batch, and what became of each: those that may come again stay. Answers how many milliseconds to wait for them. */
const tell = async (queue: TelemetryQueue, stream: Stream, batch: ReadonlyArray<Outgoing>): Promise<number> => {
  let wait = 0
  for (const { text } of batch) stream.send(text)
  for (const outgoing of batch) {
    const { error, retry_after_ms, status } = await stream.answer()
    if (status === "acked") await queue.settle(outgoing, "stored")
    else if (error === "rate_limited" || error === "unavailable") wait = Math.max(wait, retry_after_ms ?? 1000)
    else await queue.settle(outgoing, "refused")
  }
  return wait
}

interface Stream {
  readonly send: (text: string) => void
  /** The next answer; they come in the order of the frames. Throws where none comes. */
  readonly answer: () => Promise<Answered>
  readonly close: () => void
}

const openStream = async ({ link, platform }: TelemetryParts, side: SideName, signal: AbortSignal): Promise<Stream> => {
  if (await link.isDue(side)) await link.register(side)
  const state = await link.state()
  const at = `${urlOf(state, side)}/telemetry/${state.peerId}`
  const { ticket } = await call(platform.fetch, `${at}/ticket`, { method: "POST", bearer: await link.bearer(), signal }) as { readonly ticket: string }
  const heard: Array<Answered | "open"> = []
  let over = false
  let waiting: (() => void) | undefined
  const tell = (what: Answered | "open" | undefined) => {
    if (what === undefined) over = true
    else heard.push(what)
    waiting?.()
  }
  const connection: Connection = platform.connect(`${at.replace(/^http/, "ws")}?ticket=${ticket}`, {
    open: () => tell("open"),
    message: (text) => tell(jsonOf(text) as Answered),
    closed: () => tell(undefined)
  })
  signal.addEventListener("abort", connection.close, { once: true })
  const next = async (): Promise<Answered | "open"> => {
    if (heard.length === 0 && !over) await inTime(platform, new Promise<void>((done) => { waiting = done }))
    const found = heard.shift()
    if (found !== undefined) return found
    connection.close()
    throw new MaestraError("unreachable", "the telemetry stream broke off", { hint: "It is opened again by itself." })
  }
  const stream: Stream = {
    send: connection.send,
    answer: async () => await next() as Answered,
    close: () => {
      signal.removeEventListener("abort", connection.close)
      connection.close()
    }
  }
  await next()
  return stream
}

const inTime = async (platform: Platform, what: Promise<void>): Promise<void> => {
  const done = new AbortController()
  await Promise.race([what, platform.sleep(answerMaxMillis, done.signal)])
  done.abort()
}
