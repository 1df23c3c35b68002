import type { Conversations, ConversationSummary, Page } from "../../../sdk/typescript/owner/index.ts"

/** Entries asked for at once: a screenful first, then as many as the backend gives. */
const firstPage = 60
const page = 500
/** More changes than this in one moment, and everything is read again. */
const refreshMax = 400

export interface Listed {
  readonly items: ReadonlyArray<ConversationSummary>
  /** `reading`: there are more to come. */
  readonly state: "reading" | "whole" | "failed"
  readonly error: Error | undefined
}

/** Every conversation in a line each, the one written to last first, kept up with what happens. */
export class ConversationIndex {
  readonly #backend: Pick<Conversations, "list">
  readonly #listeners = new Set<() => void>()
  #listed: Listed = { items: [], state: "reading", error: undefined }
  /** Counts loads, so that only the latest one goes on. */
  #loads = 0
  /** Of two reads at once the earlier might be answered last, and nothing goes back to what it was: one at a time. */
  #busy = false
  /** What happened while something was being read. */
  #missed: Array<string> = []

  constructor(backend: Pick<Conversations, "list">) {
    this.#backend = backend
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  readonly listed = (): Listed => this.#listed

  #show(listed: Listed): void {
    this.#listed = listed
    for (const listener of this.#listeners) listener()
  }

  /** Read everything. What is shown stays until the new is whole, except at the first time. */
  readonly load = async (): Promise<void> => {
    const load = ++this.#loads
    this.#busy = true
    const first = this.#listed.items.length === 0
    const items: Array<ConversationSummary> = []
    try {
      let cursor: string | null = ""
      let shown = 0
      while (cursor !== null) {
        const read: Page<ConversationSummary> = await this.#backend.list({ limit: items.length === 0 ? firstPage : page, ...(cursor === "" ? {} : { cursor }) })
        if (load !== this.#loads) return
        items.push(...read.items)
        // here, a page at a time: the first letter typed would wait for all of them
        for (const item of read.items) searchedOf(item)
        cursor = read.next
        // each time twice as many: sorting all of them for every page would take longer than reading them
        if (first && items.length >= shown * 2) {
          shown = items.length
          this.#show({ items: inOrder(items), state: "reading", error: undefined })
        }
      }
      this.#show({ items: inOrder(items), state: "whole", error: undefined })
      await this.#goOn()
    } catch (cause) {
      if (load !== this.#loads) return
      this.#busy = false
      this.#show({ ...this.#listed, state: "failed", error: cause instanceof Error ? cause : new Error(String(cause)) })
    }
  }

  /** After events of these types. Whatever is written to comes to the top, so the top is read again; what goes away is not there. */
  readonly refresh = async (types: ReadonlyArray<string>): Promise<void> => {
    const changes = types.filter((type) => type.startsWith("message.") || type.startsWith("conversation."))
    if (changes.length === 0) return
    if (this.#busy || this.#listed.state === "reading") return void this.#missed.push(...changes)
    const goes = changes.some((type) => type === "conversation.deleted" || type === "conversation.expired")
    if (goes || changes.length > refreshMax || this.#listed.state === "failed") return this.load()
    const load = this.#loads
    this.#busy = true
    const top = await this.#backend.list({ limit: changes.length + 20 }).catch(() => undefined)
    if (load !== this.#loads) return
    if (top !== undefined) {
      const anew = new Set(top.items.map(({ conversation_id }) => conversation_id))
      const items = inOrder([...top.items, ...this.#listed.items.filter(({ conversation_id }) => !anew.has(conversation_id))])
      this.#show({ items, state: "whole", error: undefined })
    }
    await this.#goOn()
  }

  #goOn(): Promise<void> {
    this.#busy = false
    const missed = this.#missed
    this.#missed = []
    return this.refresh(missed)
  }
}

/** As the backend orders them; what came twice while it was read counts once. */
const inOrder = (items: ReadonlyArray<ConversationSummary>): ReadonlyArray<ConversationSummary> => {
  const newest = new Map<string, ConversationSummary>()
  for (const item of items) {
    const held = newest.get(item.conversation_id)
    if (held === undefined || held.version <= item.version) newest.set(item.conversation_id, item)
  }
  return [...newest.values()].sort((a, b) => b.version - a.version || (a.last_modified < b.last_modified ? 1 : a.last_modified > b.last_modified ? -1 : 0))
}

/** Those whose title or id holds every word, in the order given. */
export const matching = (items: ReadonlyArray<ConversationSummary>, search: string): ReadonlyArray<ConversationSummary> => {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== "")
  if (words.length === 0) return items
  return items.filter((item) => {
    const text = searchedOf(item)
    return words.every((word) => text.includes(word))
  })
}

/** What is searched of an entry, made once: every letter typed looks at all of them. */
const searched = new WeakMap<ConversationSummary, string>()

const searchedOf = (item: ConversationSummary): string => {
  const held = searched.get(item)
  if (held !== undefined) return held
  const text = `${item.title ?? ""}\n${item.conversation_id}`.toLowerCase()
  searched.set(item, text)
  return text
}
