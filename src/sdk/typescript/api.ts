import type { Platform } from "./platform.ts"
import type { Storage } from "./storage.ts"
import type { Subscription } from "./subscribe.ts"
import type { Vault } from "./vault.ts"

export type SideName = "local" | "hosted"

/** How far a message has come: kept here, in a local backend's journal, in the hosted log, on every device seen lately. */
export type Reached = "here" | "local" | "hosted" | "everywhere"

/** What one sync with one side came to. */
export interface SideSynced {
  readonly side: SideName
  /** Commits there now that were not before, and conversations that changed here. */
  readonly sent: number
  readonly received: number
  /** Milliseconds until the next one should be; 0: there is more. */
  readonly nextMillis: number
  /** Of these, how many must be waited whatever is written meanwhile: the side has asked for it. */
  readonly heldMillis: number
  /** Why a person is needed; what was written stays here. */
  readonly needs?: string
}

export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [name: string]: Json }

/** Something that happened, how long it took, what it cost. What is left out is filled in. */
export interface TelemetryDraft {
  readonly event_type: string
  /** Counts once, however often it is sent; a fresh one by default. */
  readonly event_id?: string
  readonly session_id?: string
  readonly timestamp?: string
  /** `surface` is this surface, where it is not given. */
  readonly metadata?: Readonly<Record<string, Json>>
  readonly latency_ms?: number
  readonly tokens_used?: number
  readonly cost_usd?: number
  readonly model?: string
}

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
  /** When everything of this person was erased, and so what was kept here, too: until this surface joins again. */
  readonly erased: string | null
  /** Writes that no backend has yet. */
  readonly pending: number
  /** Telemetry that no backend has yet, and how much of it a backend refused for good since this was opened. */
  readonly telemetry: { readonly waiting: number; readonly refused: number }
  readonly sides: ReadonlyArray<{ readonly side: SideName; readonly synced: string | null; readonly problem: string | null }>
}

/** A surface's own conversations, offline first: writes are kept here and go out by themselves. */
export interface Maestra {
  readonly backendId: string
  /** Join a hosted backend with a code of `maestra hosted enroll USER`. */
  readonly joinHosted: (code: string) => Promise<void>
  /** Become a companion of the local backend at `url`, with a code of `maestra local open`. */
  readonly joinLocal: (url: string, code: string) => Promise<void>
  /** New keys for this surface; syncing goes on, and what the old ones signed counts for seven days more. Returns the new `key_id`. */
  readonly rotateKeys: () => Promise<{ readonly keyId: string; readonly graceEndsAt: string }>
  readonly list: () => Promise<ReadonlyArray<Conversation>>
  readonly get: (id: string) => Promise<Conversation | undefined>
  /** The same, after asking a backend how far its messages have come: `everywhere` is known there only. */
  readonly refresh: (id: string) => Promise<Conversation | undefined>
  readonly create: (about: { readonly id?: string; readonly title?: string }) => Promise<string>
  readonly rename: (id: string, title: string) => Promise<void>
  readonly remove: (id: string) => Promise<void>
  /** Returns the message's id. */
  readonly append: (id: string, message: { readonly id?: string; readonly role: string; readonly content: string }) => Promise<string>
  readonly edit: (id: string, message: string, content: string) => Promise<void>
  readonly removeMessage: (id: string, message: string) => Promise<void>
  /** One exchange with every side that answers. Throws only where none does. */
  readonly sync: () => Promise<ReadonlyArray<SideSynced>>
  /** Sync and tell for ever, until `close`: every five seconds, at once after a write and when the network is back. */
  readonly start: () => void
  /** Sync now instead of later: call it when the network is back. */
  readonly wake: () => void
  readonly close: () => Promise<void>
  /** Told after every change of what is kept here, from here or elsewhere. Returns how to stop. */
  readonly onChange: (listener: () => void) => () => void
  /**
   * Hear the events of a backend's log, each once and in order, over every interruption: the local one's where there is one,
   * else hosted's. A cursor belongs to the side that gave it. Returns how to stop.
   */
  readonly subscribe: (subscription: Subscription & { readonly side?: SideName }) => Promise<() => void>
  /** Keep something to be told: it goes out once, when a backend is there. Resolves with its id when it is kept. At most 1,000 wait; beyond, the oldest are let go. */
  readonly emit: (draft: TelemetryDraft) => Promise<string>
  readonly status: () => Promise<Status>
}
