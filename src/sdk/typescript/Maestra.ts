import { v7 } from "uuid"
import type { Stamp } from "../../../streams/Stamp.ts"
import { isoTime } from "../../../streams/time.ts"
import { Book } from "./Book.ts"
import { Link, type SideName, sidesOf } from "./Link.ts"
import { type Fact, isHidden, type KnownConversation, type KnownMessage, type Reached, visible } from "./model.ts"
import { makeNames, type Names } from "./Names.ts"
import { defaultPlatform, type Platform } from "./platform.ts"
import { MaestraError } from "./problems.ts"
import type { Storage } from "./storage.ts"
import { type SideSynced, syncWith } from "./sync.ts"
import { keepSyncing } from "./syncLoop.ts"
import type { Vault } from "./vault.ts"

export interface MaestraOptions {
  /** What kind of companion this is: `web`, `ios`, `android`, `extension`. Part of its id for good. */
  readonly platform: string
  /** Where a person types; `platform` by default. */
  readonly surface?: string
  readonly storage: Storage
  readonly vault: Vault
  /** Time, chance, waiting and the network, where the defaults do not fit. */
  readonly runtime?: Partial<Platform>
}

export interface Message {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
  /** How far it has come: kept here, at the local backend, in the hosted log. */
  readonly reached: Reached
}

export interface Conversation {
  readonly id: string
  readonly title: string | null
  readonly surfaces: ReadonlyArray<string>
  readonly lastModified: string
  readonly messages: ReadonlyArray<Message>
}

export interface Status {
  /** Writes that no backend has yet. */
  readonly pending: number
  readonly sides: ReadonlyArray<{ readonly side: SideName; readonly synced: string | null; readonly problem: string | null }>
}

/** A surface's own conversations, offline first: writes are kept here and go out by themselves. */
export interface Maestra {
  readonly backendId: string
  /** Join a hosted backend with a code of `maestra hosted enroll USER`. */
  readonly joinHosted: (code: string) => Promise<void>
  /** Become a companion of the local backend at `url`, with a code of `maestra local open`. */
  readonly joinLocal: (url: string, code: string) => Promise<void>
  readonly list: () => Promise<ReadonlyArray<Conversation>>
  readonly get: (id: string) => Promise<Conversation | undefined>
  readonly create: (about: { readonly id?: string; readonly title?: string }) => Promise<string>
  readonly rename: (id: string, title: string) => Promise<void>
  readonly remove: (id: string) => Promise<void>
  /** Returns the message's id. */
  readonly append: (id: string, message: { readonly id?: string; readonly role: string; readonly content: string }) => Promise<string>
  readonly edit: (id: string, message: string, content: string) => Promise<void>
  readonly removeMessage: (id: string, message: string) => Promise<void>
  /** One exchange with every side that answers. Throws only where none does. */
  readonly sync: () => Promise<ReadonlyArray<SideSynced>>
  /** Sync for ever, until `close`: every five seconds, at once after a write and when the network is back. */
  readonly start: () => void
  /** Sync now instead of later: call it when the network is back. */
  readonly wake: () => void
  readonly close: () => Promise<void>
  /** Told after every change, from here or elsewhere. Returns how to stop. */
  readonly subscribe: (listener: () => void) => () => void
  readonly status: () => Promise<Status>
}

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

  const names = async (): Promise<Names> => {
    const [first] = await link.dataKeys()
    if (first === undefined) throw new MaestraError("not-joined", "there is no data key yet", { hint: "Reach a backend once." })
    return makeNames(first)
  }
  const write = async (id: string, facts: (held: KnownConversation | undefined) => ReadonlyArray<Fact>) => {
    const events = await book.write(await names(), source, id, surface, facts)
    tell()
    loop?.wake()
    return events
  }
  /** The message as it shows, and the stamp a further write replaces knowingly. */
  const found = (held: KnownConversation | undefined, message: string): KnownMessage & { readonly base: Stamp } => {
    const known = held === undefined || isHidden(held) ? undefined : Object.values(held.messages).find(({ deleted, id }) => id === message && !deleted)
    if (known === undefined) throw new MaestraError("refused", `there is no message ${message}`, { hint: "Read the conversation for the ids it has." })
    return { ...known, base: known.stamp }
  }
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
    list: async () => (await book.conversations()).map(shown),
    get: async (id) => {
      const held = await book.conversation(await names(), id)
      return held === undefined ? undefined : shown(held)
    },
    create: async ({ id = v7(), title }) => {
      await write(id, () => [{ type: "conversation.created", data: title === undefined ? {} : { title } }])
      return id
    },
    rename: async (id, title) => void await write(id, () => [{ type: "conversation.renamed", data: { title } }]),
    remove: async (id) => void await write(id, () => [{ type: "conversation.deleted", data: {} }]),
    append: async (id, { content, id: message = v7(), role }) => {
      const timestamp = isoTime(platform.now())
      await write(id, () => [{ type: "message.appended", data: { message_id: message, role, content, timestamp } }])
      return message
    },
    edit: async (id, message, content) =>
      void await write(id, (held) => {
        const { base, role } = found(held, message)
        return [{ type: "message.edited", data: { message_id: message, role, content, timestamp: isoTime(platform.now()), base } }]
      }),
    removeMessage: async (id, message) => void await write(id, (held) => [{ type: "message.deleted", data: { message_id: message, base: found(held, message).base } }]),
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

const shown = (held: KnownConversation): Conversation => ({
  id: held.id,
  title: held.title,
  surfaces: held.surfaces,
  lastModified: held.stamp.time,
  messages: visible(held).map(({ content, id, reached, role, surface, timestamp }) => ({ id, role, content, timestamp, surface, reached }))
})
