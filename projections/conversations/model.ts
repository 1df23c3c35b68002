/** How far a write has come: only here, in the log, or with every peer that reports its position. */
export type Tier = "local" | "hosted" | "everywhere"

/** A message as it is read, in the contract's field names. */
export interface Message {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
  /** Kind and id of the backend that wrote what shows. */
  readonly source_backend: string
  readonly source_backend_id: string
  /** Lamport of the write that shows. */
  readonly version: number
  readonly tier: Tier
  /** What others see, where redaction made it different. */
  readonly shared?: { readonly content: string }
  readonly conflicted?: true
  /** Why what shows stays on this machine for good; absent when it does not. */
  readonly withheld?: string
}

/** A conversation's line in a list. */
export interface Summary {
  readonly conversation_id: string
  /** Greatest lamport in it. */
  readonly version: number
  readonly title: string | null
  /** What others see of the title, where redaction made it different. */
  readonly shared?: { readonly title: string }
  /** Visible messages. */
  readonly message_count: number
  /** Every surface that wrote in it, sorted. */
  readonly surfaces: ReadonlyArray<string>
  /** Time and author of the greatest stamp in it. */
  readonly last_modified: string
  readonly source_backend: string
  readonly source_backend_id: string
}

/** A conversation whole: its visible messages in reading order. */
export interface Conversation extends Summary {
  readonly messages: ReadonlyArray<Message>
}

/** One write to a message, as its history lists it. A deletion has no role, content or timestamp. */
export interface HistoryItem {
  readonly event_id: string
  readonly type: "message.appended" | "message.edited" | "message.deleted"
  readonly stamp: { readonly lamport: number; readonly time: string; readonly source: string }
  readonly base: { readonly lamport: number; readonly time: string; readonly source: string } | null
  readonly surface: string
  readonly role: string | null
  readonly content: string | null
  readonly timestamp: string | null
  readonly shared?: { readonly content: string }
  readonly log_seq: number | null
  /** Why it stays on this machine for good; absent when it does not. */
  readonly withheld?: string
}

/** A message on which devices disagree: what shows, and every write that lost unseen. Newest first. */
export interface Conflict {
  readonly conversation_id: string
  readonly message_id: string
  readonly shown: HistoryItem
  readonly losing: ReadonlyArray<HistoryItem>
}
