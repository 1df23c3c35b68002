import { isoTime } from "../../../streams/time.ts"
import type { Maestra, MaestraOptions } from "./api.ts"
import { Book } from "./Book.ts"
import { conversationsOf } from "./conversations.ts"
import { Link, type SideName, sidesOf } from "./Link.ts"
import { defaultPlatform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import { type SideSynced, syncWith } from "./sync.ts"
import { keepSyncing } from "./syncLoop.ts"

/** Open what this surface remembers; nothing is asked of the network. Its identity is made at the first time. */
export const openMaestra = async (options: MaestraOptions): Promise<Maestra> => {
  const platform = { ...defaultPlatform, ...options.runtime }
  const surface = options.surface ?? options.platform
  const own = await options.vault.identity(options.platform, isoTime(platform.now()))
  const book = new Book(options.storage, platform)
  const link = new Link(options.storage, options.vault, platform, own)
  const parts = { book, link, platform, asked: new Map<SideName, number>() }
  const listeners = new Set<() => void>()
  const tell = () => listeners.forEach((listener) => listener())
  const problems = new Map<SideName, string>()
  const synced = new Map<SideName, string>()
  const source = own.identity.backend_id
  let loop: ReturnType<typeof keepSyncing> | undefined

  const conversations = conversationsOf({ ...parts, source, surface, wrote: () => {
    tell()
    loop?.wake()
  } })
  const syncSide = async (side: SideName, signal?: AbortSignal): Promise<SideSynced> => {
    try {
      const done = await syncWith(parts, side, signal)
      synced.set(side, isoTime(platform.now()))
      if (done.needs === undefined) problems.delete(side)
      else problems.set(side, done.needs)
      if (done.received > 0 || done.sent > 0) tell()
      return done
    } catch (cause) {
      problems.set(side, cause instanceof Error ? cause.message : "unknown")
      throw cause
    }
  }
  const sides = async () => sidesOf(await link.state())

  return {
    backendId: source,
    joinHosted: async (code) => void await link.joinHosted(code),
    joinLocal: async (url, code) => void await link.joinLocal(url.replace(/\/+$/, ""), code),
    ...conversations,
    sync: async () => {
      const results = await Promise.allSettled((await sides()).map((side) => syncSide(side)))
      const done = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : [])
      // what a side said is worth more than that another is silent
      const failures: ReadonlyArray<unknown> = results.flatMap((result) => result.status === "rejected" ? [result.reason] : [])
      if (done.length === 0 && failures.length > 0) throw failures.find((cause) => cause instanceof MaestraError && cause.kind === "refused") ?? failures[0]
      return done
    },
    start: () => {
      loop ??= keepSyncing({ platform, sides, sync: syncSide })
    },
    wake: () => loop?.wake(),
    close: async () => {
      const running = loop
      loop = undefined
      await running?.stop()
    },
    subscribe: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    status: async () => {
      const { written } = await book.meta()
      const states = await Promise.all((await sides()).map(async (side) => ({ side, acked: (await book.side(side)).acked })))
      const furthest = Math.max(0, ...states.map(({ acked }) => acked))
      return {
        pending: written - await coveredBy(book, furthest),
        sides: states.map(({ side }) => ({ side, synced: synced.get(side) ?? null, problem: problems.get(side) ?? null }))
      }
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
