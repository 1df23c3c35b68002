import { createHash } from "node:crypto"
import type { Entry } from "../../../projections/Entry.ts"
import { apply, empty, type State } from "../../../projections/conversations/apply.ts"
import type { Conflict, Conversation, HistoryItem, Message } from "../../../projections/conversations/model.ts"
import { bytewise } from "../../../projections/conversations/registers.ts"
import { type ConversationView, type MessageView, view } from "../../../projections/conversations/view.ts"
import { kindOf } from "../../../streams/ids.ts"

export const foldAll = (...entries: ReadonlyArray<ReadonlyArray<Entry>>): State => entries.flat().reduce(apply, empty)

/** What queries should answer, said from the fold alone. */
export const expected = (state: State, everywhere: number) => {
  const all = [...view(state).values()]
  const visible = all.filter(({ hidden }) => !hidden)
  return {
    conversations: [...visible].sort(newestFirst).map((conversation) => conversationOf(conversation, everywhere)),
    conflicts: visible.flatMap(conflictsOf).sort(byId),
    histories: all.flatMap((conversation) =>
      conversation.messages.map((message) => ({ conversation: conversation.id, message: message.id, items: message.history.map(itemOf) }))
    ).sort((a, b) => bytewise(a.conversation + a.message, b.conversation + b.message)),
    digest: digestOf(state),
    lamport: state.lamport
  }
}

export const byId = (a: { readonly conversation_id: string; readonly message_id: string }, b: typeof a): number =>
  bytewise(a.conversation_id, b.conversation_id) || bytewise(a.message_id, b.message_id)

const newestFirst = (a: ConversationView, b: ConversationView): number => {
  const x = a.latest.stamp, y = b.latest.stamp
  return y.lamport - x.lamport || bytewise(y.time, x.time) || bytewise(b.shared, a.shared)
}

const conversationOf = (conversation: ConversationView, everywhere: number): Conversation => {
  const { latest, title } = conversation
  const text = title === undefined || !("title" in title.fact.data) ? null : title.fact.data.title ?? null
  const shared = title?.said.shared?.title
  const visible = conversation.messages.filter(({ deleted }) => !deleted)
  return {
    conversation_id: conversation.id,
    version: latest.stamp.lamport,
    title: text,
    ...(shared === undefined || shared === text || text === null ? {} : { shared: { title: shared } }),
    message_count: visible.length,
    surfaces: [...conversation.surfaces].sort(),
    last_modified: latest.stamp.time,
    source_backend: kindOf(latest.stamp.source),
    source_backend_id: latest.stamp.source,
    messages: visible.map((message) => messageOf(message, everywhere))
  }
}

const messageOf = ({ contested, id, shown }: MessageView, everywhere: number): Message => {
  const { fact, opened, said, stamp, stays } = shown
  if (!("content" in fact.data)) throw new Error("a deletion is not visible")
  const shared = said.shared?.content
  return {
    id,
    role: fact.data.role,
    content: fact.data.content,
    timestamp: fact.data.timestamp,
    surface: opened.envelope.surface,
    source_backend: kindOf(stamp.source),
    source_backend_id: stamp.source,
    version: stamp.lamport,
    tier: said.seq === undefined || stays ? "local" : said.seq <= everywhere ? "everywhere" : "hosted",
    ...(shared === undefined || shared === fact.data.content ? {} : { shared: { content: shared } }),
    ...(contested.size > 0 ? { conflicted: true as const } : {}),
    ...(stays ? { withheld: "surface" } : {})
  }
}

const conflictsOf = (conversation: ConversationView): ReadonlyArray<Conflict> =>
  conversation.messages.filter(({ contested }) => contested.size > 0).map((message) => ({
    conversation_id: conversation.id,
    message_id: message.id,
    shown: itemOf(message.shown),
    losing: message.history.filter(({ eventId }) => message.contested.has(eventId) && eventId !== message.shown.eventId).map(itemOf)
  }))

const itemOf = (write: MessageView["shown"]): HistoryItem => {
  const { base, fact, opened, said, stamp } = write
  const text = "content" in fact.data ? fact.data : null
  const shared = said.shared?.content
  return {
    event_id: write.eventId,
    type: fact.type,
    stamp,
    base: base ?? null,
    surface: opened.envelope.surface,
    role: text?.role ?? null,
    content: text?.content ?? null,
    timestamp: text?.timestamp ?? null,
    ...(text === null || shared === undefined || shared === text.content ? {} : { shared: { content: shared } }),
    log_seq: said.seq ?? null,
    ...(write.stays ? { withheld: "surface" } : {})
  }
}

/** The state digest, written once more. */
const digestOf = (state: State): string => {
  const lines = [...view(state, { withheld: false }).values()].filter(({ hidden }) => !hidden).sort((a, b) => bytewise(a.shared, b.shared)).map((conversation) => {
    const { title } = conversation
    const own = title === undefined || !("title" in title.fact.data) ? null : title.fact.data.title ?? null
    const messages = conversation.messages.filter(({ deleted }) => !deleted).map(({ shared, shown }) => {
      const { data } = shown.fact
      if (!("content" in data)) throw new Error("a deletion is not visible")
      return [shared, shown.said.shared?.role ?? data.role, shown.said.shared?.content ?? data.content]
    })
    return `${JSON.stringify([conversation.shared, own === null ? null : title?.said.shared?.title ?? own, messages])}\n`
  })
  return createHash("sha256").update(lines.join("")).digest("hex")
}

