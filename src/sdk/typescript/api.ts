import type { SideName } from "./Link.ts"
import type { Reached } from "./model.ts"
import type { Platform } from "./platform.ts"
import type { Storage } from "./storage.ts"
import type { SideSynced } from "./sync.ts"
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
