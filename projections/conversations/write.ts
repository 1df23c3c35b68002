import type { FactOf } from "../../streams/catalog.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { hexOf } from "../ledger.ts"
import { packTime } from "../packedTime.ts"
import type { NewEvent } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import type { Words } from "../words.ts"
import { baseOf } from "./registers.ts"
import { conversationCells, type ConversationRow, messageCells, type MessageRow } from "./rows.ts"
import { type Kind, kinds } from "./tables.ts"

export type WriteFact = FactOf<Kind>

/** An event that writes to a conversation, with the rows it writes to. */
export interface Write {
  readonly event: NewEvent
  readonly fact: WriteFact
  readonly conversation: ConversationRow
  message: MessageRow | undefined
  readonly expired: boolean
}

/** Every text these rows name by number. */
export const textsOf = (
  conversations: Iterable<ConversationRow>,
  messages: Iterable<MessageRow>,
  writes: ReadonlyArray<Write>
): ReadonlyMap<number, ReadonlySet<string>> => {
  const texts = new Map<number, Set<string>>()
  const of = (tenant: number): Set<string> => {
    const held = texts.get(tenant) ?? new Set<string>()
    texts.set(tenant, held)
    return held
  }
  const add = (into: Set<string>, stamp: Stamp | undefined) => stamp !== undefined && into.add(stamp.source)
  for (const { conversation, event, fact } of writes) {
    const into = of(event.tenant).add(event.opened.envelope.surface).add(event.opened.envelope.source)
    if ("role" in fact.data) into.add(fact.data.role)
    if ("base" in fact.data) add(into, fact.data.base)
    add(into, conversation.title?.stamp)
  }
  for (const row of conversations) add(of(row.tenant), row.stamp)
  for (const row of messages) {
    const into = of(row.conversation.tenant)
    add(into, row.stamp)
    add(into, row.place)
    add(into, row.base)
  }
  return texts
}

export const putMessages = (tx: Transaction, rows: ReadonlySet<MessageRow>, words: Words): void => {
  if (rows.size > 0) tx.put(upsertMessages, JSON.stringify(Array.from(rows, (row) => messageCells(row, words))))
}

export const putConversations = (tx: Transaction, rows: ReadonlySet<ConversationRow>, words: Words): void => {
  if (rows.size === 0) return
  tx.put(upsertConversations, JSON.stringify(Array.from(rows, (row) => conversationCells(row, words))))
  const surfaces = Array.from(rows, (row) => Array.from(row.surfaces, (surface) => [row.id, words(row.tenant, surface)])).flat()
  tx.put(addSurfaces, JSON.stringify(surfaces))
}

export const insertWrites = (tx: Transaction, writes: ReadonlyArray<Write>, words: Words): void => {
  if (writes.length > 0) tx.put(addWrites, JSON.stringify(writes.map((write) => cellsOf(write, words))))
}

type Cell = string | number | null

const cellsOf = ({ conversation, event, fact, message }: Write, words: Words): ReadonlyArray<Cell> => {
  const { envelope } = event.opened
  const { tenant } = event
  const cells: Array<Cell> = [
    event.ref,
    conversation.id,
    message?.id ?? null,
    kinds[fact.type],
    envelope.lamport,
    packTime(envelope.time),
    words(tenant, envelope.source),
    words(tenant, envelope.surface),
    hexOf(envelope.id)
  ]
  if ("content" in fact.data) {
    const { content, role, timestamp } = fact.data
    cells.push(content, words(tenant, role), timestamp === envelope.time ? null : timestamp)
  } else cells.push("title" in fact.data ? fact.data.title ?? null : null, null, null)
  const base = "base" in fact.data ? baseOf(fact.data.base, envelope) : undefined
  const shared = sharedTextOf(event, fact)
  const role = sharedRoleOf(event, fact)
  const differs = shared !== null || role !== null
  if (base !== undefined) cells.push(base.lamport, packTime(base.time), words(tenant, base.source))
  else if (differs) cells.push(null, null, null)
  if (differs) cells.push(shared, role)
  return cells
}

/** What others see in place of the text written, or null where that is the same. */
const sharedTextOf = ({ shared }: NewEvent, fact: WriteFact): string | null => {
  if (shared === undefined) return null
  if ("content" in fact.data) return shared.content === undefined || shared.content === fact.data.content ? null : shared.content
  if ("title" in fact.data) return shared.title === undefined || shared.title === fact.data.title ? null : shared.title
  return null
}

const sharedRoleOf = ({ shared }: NewEvent, fact: WriteFact): string | null =>
  shared?.role === undefined || !("role" in fact.data) || shared.role === fact.data.role ? null : shared.role

const columns = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `j.value ->> ${from + i}`).join(", ")

const overwrite = (names: ReadonlyArray<string>) => names.map((name) => `${name} = excluded.${name}`).join(", ")

const messageColumns = [
  "id", "conversation", "shared", "shown", "lamport", "time", "source", "deleted", "mixed", "conflicted", "edit_first",
  "local", "place_lamport", "place_time", "place_source", "base_lamport", "base_time", "base_source"
]
/** The fold has compared the stamps: what is offered here is the greater already. */
const upsertMessages = `
  insert into message (${messageColumns.join(", ")})
  select ${columns(0, messageColumns.length)} from jsonb_each(?) j where true
  on conflict (id) do update set ${overwrite(messageColumns.slice(3))}`

const conversationColumns = [
  "id", "tenant", "shared", "hidden", "lamport", "time", "source", "messages", "aliases", "withheld", "expired",
  "local", "titled", "title_lamport", "title_time", "title_source"
]
const upsertConversations = `
  insert into conversation (${conversationColumns.join(", ")})
  select ${columns(0, conversationColumns.length)} from jsonb_each(?) j where true
  on conflict (id) do update set ${overwrite(conversationColumns.slice(3))}`

const addSurfaces = `
  insert into conversation_surface (conversation, surface)
  select j.value ->> 0, j.value ->> 1 from jsonb_each(?) j where true on conflict do nothing`

const addWrites = `
  insert into write (id, conversation, message, kind, lamport, time, source, surface, event, content, role, timestamp,
    base_lamport, base_time, base_source, shared, shared_role)
  select ${columns(0, 8)}, unhex(j.value ->> 8), ${columns(9, 17)} from jsonb_each(?) j`
