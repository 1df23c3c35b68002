import { segmentOf } from "../../../../streams/paths.ts"
import type { Conflict, Conversation, ConversationSummary, Hit, Message, Page, Tier, Write } from "./answers.ts"
import { type Request } from "./Requests.ts"

/** What a person does with conversations at a backend of their own. */
export interface Conversations {
  /** The one written to last first. */
  readonly list: (page: { readonly limit: number; readonly cursor?: string }, signal?: AbortSignal) => Promise<Page<ConversationSummary>>
  /** Messages and titles that hold every word, each as a word or the beginning of one; what was written last first. `behind`: some writes are not searched yet. */
  readonly search: (words: string, page: { readonly limit: number; readonly cursor?: string }, signal?: AbortSignal) => Promise<Page<Hit> & { readonly behind: boolean }>
  readonly get: (id: string, signal?: AbortSignal) => Promise<Conversation>
  /** `id`: the same again writes nothing twice. */
  readonly create: (title: string, id?: string) => Promise<Conversation>
  readonly rename: (id: string, title: string) => Promise<Conversation>
  readonly remove: (id: string) => Promise<void>
  /** `id`: the same again writes nothing twice. */
  readonly append: (id: string, message: { readonly id: string; readonly role: string; readonly content: string }) => Promise<Message>
  readonly edit: (id: string, message: string, content: string) => Promise<Message>
  readonly removeMessage: (id: string, message: string) => Promise<void>
  /** Newest first; a deletion is a write too. */
  readonly history: (id: string, message: string) => Promise<ReadonlyArray<Write>>
  /** Shows an earlier write again, and settles the conflicts it knows of. */
  readonly restore: (id: string, message: string, event: string) => Promise<Message>
  readonly conflicts: (page: { readonly limit: number; readonly cursor?: string }) => Promise<Page<Conflict>>
}

interface Written {
  readonly message: Message
  readonly reached: { readonly tier: Tier }
}

/** `surface`: where the person types. `tenant`: whose conversations an operator reads; writes are refused there. */
export const conversationsOf = (request: Request, { surface, tenant }: { readonly surface: string; readonly tenant?: string }): Conversations => {
  const at = (id: string) => `/conversations/${segmentOf(id)}`
  const messageAt = (id: string, message: string) => `${at(id)}/messages/${segmentOf(message)}`
  return {
    list: async (page, signal) => {
      const { conversations, next_cursor } = await request<{ readonly conversations: ReadonlyArray<ConversationSummary>; readonly next_cursor: string | null }>("GET", "/conversations", { query: { ...page, tenant }, ...(signal === undefined ? {} : { signal }) })
      return { items: conversations, next: next_cursor }
    },
    search: async (words, page, signal) => {
      const { behind, hits, next_cursor } = await request<{ readonly hits: ReadonlyArray<Hit>; readonly next_cursor: string | null; readonly behind: boolean }>("GET", "/search", { query: { q: words, ...page, tenant }, ...(signal === undefined ? {} : { signal }) })
      return { items: hits, next: next_cursor, behind }
    },
    get: (id, signal) => request("GET", at(id), { query: { tenant }, ...(signal === undefined ? {} : { signal }) }),
    create: (title, id) => request("POST", "/conversations", { body: { ...(title === "" ? {} : { title }), ...(id === undefined ? {} : { conversation_id: id }), surface } }),
    rename: (id, title) => request("PATCH", at(id), { body: { title, surface } }),
    remove: async (id) => void await request("DELETE", at(id), { query: { surface } }),
    append: async (id, message) => (await request<Written>("POST", `${at(id)}/messages`, { body: { ...message, surface } })).message,
    edit: async (id, message, content) => (await request<Written>("PUT", messageAt(id, message), { body: { content, surface } })).message,
    removeMessage: async (id, message) => void await request("DELETE", messageAt(id, message), { query: { surface } }),
    history: async (id, message) => (await request<{ readonly writes: ReadonlyArray<Write> }>("GET", `${messageAt(id, message)}/history`, { query: { tenant } })).writes,
    restore: async (id, message, event) => (await request<Written>("POST", `${messageAt(id, message)}/restore`, { body: { event_id: event, surface } })).message,
    conflicts: async (page) => {
      const { conflicts, next_cursor } = await request<{ readonly conflicts: ReadonlyArray<Conflict>; readonly next_cursor: string | null }>("GET", "/conflicts", { query: { ...page, tenant } })
      return { items: conflicts, next: next_cursor }
    }
  }
}
