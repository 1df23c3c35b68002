import { isoTime } from "../../../streams/time.ts"
import { kindOf } from "../../../streams/tokens.ts"
import type { Maestra, MaestraOptions, SideName, SideSynced } from "./api.ts"
import { Book } from "./Book.ts"
import { conversationsOf } from "./conversations.ts"
import { erasedIn, heedErasure } from "./erased.ts"
import { Link, sidesOf, urlOf } from "./Link.ts"
import { defaultPlatform, type Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import { refreshFrom } from "./refresh.ts"
import { subscribeTo } from "./subscribe.ts"
import { syncWith } from "./sync.ts"
import { keepSyncing } from "./syncLoop.ts"
import { TelemetryQueue } from "./TelemetryQueue.ts"
import { keepTelling } from "./telemetryStream.ts"

/** Open what this surface remembers; nothing is asked of the network. Its identity is made at the first time. */
export const openMaestra = async (options: MaestraOptions): Promise<Maestra> => {
  const platform = { ...defaultPlatform, ...options.runtime }
  const surface = options.surface ?? options.platform
  const own = await options.vault.identity(options.platform, isoTime(platform.now()))
  const book = new Book(options.storage, platform)
  const link = new Link(options.storage, options.vault, platform, options.platform)
  const parts = { book, link, platform, asked: new Map<SideName, number>() }
  const listeners = new Set<() => void>()
  const tell = () => listeners.forEach((listener) => listener())
  const { lastOf, syncSide } = remembering(platform, (side, signal) => syncWith(parts, side, signal).catch(async (cause: unknown) => {
    throw await heedErasure(cause, { storage: options.storage, link, vault: options.vault })
  }), tell)
  const source = own.identity.backend_id
  const queue = new TelemetryQueue(options.storage, platform, { sourceBackend: kindOf(source), surface })

  const conversations = conversationsOf({ ...parts, source, surface, wrote: () => {
    tell()
    running.wake()
  } })
  const sides = async () => sidesOf(await link.state())
  const running = background({
    sync: () => keepSyncing({ platform, sides, sync: syncSide }),
    tell: () => keepTelling({ queue, storage: options.storage, link, platform, sides, settings: () => book.settings() })
  })

  return {
    backendId: source,
    joinHosted: async (code) => void await link.joinHosted(code),
    joinLocal: async (url, code) => void await link.joinLocal(url.replace(/\/+$/, ""), code),
    ...conversations,
    rotateKeys: () => link.rotateKeys(),
    sync: async () => allOf((await sides()).map((side) => syncSide(side))),
    start: running.start,
    wake: running.wake,
    close: running.stop,
    refresh: async (id) => {
      if (await refreshFrom(parts, id)) tell()
      return conversations.get(id)
    },
    emit: async (draft) => {
      const id = await queue.add(draft)
      running.wakeTelling()
      return id
    },
    subscribe: async ({ side, ...subscription }) => {
      const state = await link.state()
      const [nearest] = sidesOf(state)
      return subscribeTo({ platform, url: urlOf(state, side ?? nearest ?? "hosted"), bearer: () => link.bearer() }, subscription)
    },
    onChange: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    status: async () => {
      const erased = await erasedIn(options.storage)
      if (erased !== undefined) return { erased: erased.at, pending: 0, telemetry: await queue.status(), sides: [] }
      const states = await Promise.all((await sides()).map(async (side) => ({ side, acked: (await book.side(side)).acked })))
      return {
        erased: null,
        pending: (await book.meta()).written - await coveredBy(book, Math.max(0, ...states.map(({ acked }) => acked))),
        telemetry: await queue.status(),
        sides: states.map(({ side }) => lastOf(side))
      }
    }
  }
}

/** Syncs whose outcome is remembered for `status`; `tell` where something changed. */
const remembering = (platform: Platform, sync: (side: SideName, signal?: AbortSignal) => Promise<SideSynced>, tell: () => void) => {
  const problems = new Map<SideName, string>()
  const synced = new Map<SideName, string>()
  return {
    lastOf: (side: SideName) => ({ side, synced: synced.get(side) ?? null, problem: problems.get(side) ?? null }),
    syncSide: async (side: SideName, signal?: AbortSignal): Promise<SideSynced> => {
      try {
        const done = await sync(side, signal)
        synced.set(side, isoTime(platform.now()))
        if (done.needs === undefined) problems.delete(side)
        else problems.set(side, done.needs)
        if (done.received > 0 || done.sent > 0) tell()
        return done
      } catch (cause) {
        problems.set(side, cause instanceof Error ? cause.message : "unknown")
        if (cause instanceof MaestraError && cause.kind === "erased") tell()
        throw cause
      }
    }
  }
}

/** What came of the sides that answered; where none did, why: what a side said is worth more than that another is silent. */
const allOf = async (syncs: ReadonlyArray<Promise<SideSynced>>): Promise<ReadonlyArray<SideSynced>> => {
  const results = await Promise.allSettled(syncs)
  const done = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : [])
  const failures: ReadonlyArray<unknown> = results.flatMap((result) => result.status === "rejected" ? [result.reason] : [])
  const ofKind = (kind: MaestraError["kind"]) => failures.find((cause) => cause instanceof MaestraError && cause.kind === kind)
  const erased = ofKind("erased")
  if (erased !== undefined) throw erased
  if (done.length === 0 && failures.length > 0) throw ofKind("refused") ?? failures[0]
  return done
}

interface Running {
  readonly wake: () => void
  readonly stop: () => Promise<void>
}

/** What goes on by itself between `start` and `close`. */
const background = (begin: { readonly sync: () => Running; readonly tell: () => Running }) => {
  let loop: Running | undefined
  let telling: Running | undefined
  return {
    start: () => {
      loop ??= begin.sync()
      telling ??= begin.tell()
    },
    wake: () => {
      loop?.wake()
      telling?.wake()
    },
    wakeTelling: () => telling?.wake(),
    stop: async () => {
      const both = [loop, telling]
      loop = telling = undefined
      await Promise.all(both.map((one) => one?.stop()))
    }
  }
}

/** Own writes that commits up to `n` cover. */
const coveredBy = async (book: Book, n: number): Promise<number> => {
  const { commits, committed } = await book.meta()
  if (n >= commits) return committed
  const [next] = await book.commitsAfter(n, 1)
  const [last] = await book.commitsAfter(n - 1, 1)
  return last?.n === n ? last.to : next === undefined ? committed : 0
}
