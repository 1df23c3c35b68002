import { Effect } from "effect"
import type { Transaction } from "../Sqlite.ts"
import { blankMessage, type ConversationRow, type MessageRow, stampOfCells } from "./rows.ts"

/** The conversations a batch touches, found by what they are called here or in the log. */
export interface Loaded {
  readonly byShared: Map<string, ConversationRow>
  readonly byLocal: Map<string, ConversationRow>
  nextConversation: number
  nextMessage: number
}

/** What an event calls a thing (`here`), and what the log calls it (`there`), as far as is known. */
export interface Name {
  readonly here: string
  readonly there: string
}

/** Tenants are numbers, so no id can run into one. */
export const scoped = (tenant: number, id: string): string => `${tenant} ${id}`

/** Read the rows of the named conversations, as they are before this batch. */
export const loadConversations = Effect.fnUntraced(function*(tx: Transaction, wanted: Iterable<Name & { readonly tenant: number }>) {
  const asked = new Map<string, readonly [number, string, string]>()
  for (const { here, tenant, there } of wanted) asked.set(here === there ? `${tenant} ${here}` : `${tenant} ${here} ${there}`, [tenant, here, there])
  const [found] = yield* tx.before<{ conversation: number; message: number; rows: string }>(readConversations, JSON.stringify([...asked.values()]))
  const { conversation, message, rows } = found!
  const loaded: Loaded = { byShared: new Map(), byLocal: new Map(), nextConversation: conversation, nextMessage: message }
  for (const cells of JSON.parse(rows) as ReadonlyArray<ConversationCells>) {
    if (loaded.byShared.has(scoped(cells.tenant, cells.shared))) continue
    const row: ConversationRow = {
      id: cells.id,
      tenant: cells.tenant,
      shared: cells.shared,
      fresh: false,
      local: cells.local,
      hidden: cells.hidden === 1,
      stamp: stampOfCells(cells.lamport, cells.time, cells.source),
      messages: cells.messages,
      aliases: cells.aliases === 1,
      withheld: cells.withheld === 1,
      expired: cells.expired,
      title: titleOf(cells),
      surfaces: new Set(),
      byShared: new Map(),
      byLocal: new Map()
    }
    loaded.byShared.set(scoped(row.tenant, row.shared), row)
    if (row.local !== null) loaded.byLocal.set(scoped(row.tenant, row.local), row)
  }
  return loaded
})

interface ConversationCells {
  readonly id: number
  readonly tenant: number
  readonly shared: string
  readonly local: string | null
  readonly hidden: number
  readonly lamport: number
  readonly time: number
  readonly source: string | null
  readonly messages: number
  readonly aliases: number
  readonly withheld: number
  readonly expired: number
  readonly titled: number | null
  readonly title_lamport: number | null
  readonly title_time: number | null
  readonly title_source: string | null
}

const titleOf = (cells: ConversationCells): ConversationRow["title"] => {
  const stamp = stampOfCells(cells.title_lamport, cells.title_time, cells.title_source)
  return cells.titled === null || stamp === undefined ? undefined : { ref: cells.titled, stamp }
}

const conversationCells = `json_object('id', c.id, 'tenant', c.tenant, 'shared', c.shared, 'local', c.local, 'hidden', c.hidden,
  'lamport', c.lamport, 'time', c.time, 'source', (select text from word where id = c.source), 'messages', c.messages,
  'aliases', c.aliases, 'withheld', c.withheld, 'expired', c.expired, 'titled', c.titled, 'title_lamport', c.title_lamport,
  'title_time', c.title_time, 'title_source', (select text from word where id = c.title_source)) as cells`

/** Row ids are given here, so that writes can name rows before they are inserted. */
const readConversations = `
  select (select coalesce(max(id), 0) + 1 from conversation) as conversation, (select coalesce(max(id), 0) + 1 from message) as message,
  (select json_group_array(json(cells)) from (
    select ${conversationCells} from jsonb_each(?1) j
    join conversation c on c.tenant = j.value ->> 0 and c.shared = j.value ->> 2
    union all
    select ${conversationCells} from jsonb_each(?1) j
    join conversation c indexed by conversation_local on c.tenant = j.value ->> 0 and c.local = j.value ->> 1
    where c.local is not null)) as rows`

/** Read the rows of the named messages into their conversations. New conversations have none. */
export const loadMessages = Effect.fnUntraced(function*(
  tx: Transaction,
  wanted: Iterable<Name & { readonly conversation: ConversationRow }>
) {
  const conversations = new Map<number, ConversationRow>()
  const byShared = new Map<string, readonly [number, string]>()
  const byLocal = new Map<string, readonly [number, string]>()
  for (const { conversation, here, there } of wanted) {
    if (conversation.fresh) continue
    conversations.set(conversation.id, conversation)
    byShared.set(scoped(conversation.id, there), [conversation.id, there])
    if (conversation.aliases) byLocal.set(scoped(conversation.id, here), [conversation.id, here])
  }
  const read = Effect.fnUntraced(function*(sql: string, asked: ReadonlyMap<string, readonly [number, string]>) {
    if (asked.size === 0) return
    const [answer] = yield* tx.before<{ rows: string }>(sql, JSON.stringify([...asked.values()]))
    for (const cells of JSON.parse(answer!.rows) as ReadonlyArray<MessageCells>) {
      const conversation = conversations.get(cells[1])!
      if (conversation.byShared.has(cells[2])) continue
      const row = messageOf(conversation, cells)
      conversation.byShared.set(row.shared, row)
      if (row.local !== null) conversation.byLocal.set(row.local, row)
    }
  })
  yield* read(readMessagesByShared, byShared)
  yield* read(readMessagesByLocal, byLocal)
})

/** One text for all rows: reading eighteen columns of a row one by one costs the driver more than parsing it. */
const messageRows = `select json_group_array(json_array(
  m.id, m.conversation, m.shared, m.local, m.shown,
  m.lamport, m.time, (select text from word where id = m.source), m.deleted, m.mixed, m.conflicted, m.edit_first,
  m.place_lamport, m.place_time, (select text from word where id = m.place_source),
  m.base_lamport, m.base_time, (select text from word where id = m.base_source))) as rows
  from jsonb_each(?) j`

const readMessagesByShared = `${messageRows}
  join message m on m.conversation = j.value ->> 0 and m.shared = j.value ->> 1`

const readMessagesByLocal = `${messageRows}
  join message m indexed by message_local on m.conversation = j.value ->> 0 and m.local = j.value ->> 1
  where m.local is not null`

type StampCells = [lamport: number | null, time: number | null, source: string | null]
type MessageCells = [
  id: number,
  conversation: number,
  shared: string,
  local: string | null,
  shown: number,
  lamport: number,
  time: number,
  source: string | null,
  deleted: number,
  mixed: number,
  conflicted: number,
  editFirst: number,
  ...place: StampCells,
  ...base: StampCells
]

const messageOf = (conversation: ConversationRow, cells: MessageCells): MessageRow => {
  const blank = blankMessage(cells[0], conversation, cells[2])
  const stamp = stampOfCells(cells[5], cells[6], cells[7])
  if (stamp === undefined) return { ...blank, local: cells[3] }
  return {
    ...blank,
    local: cells[3],
    shown: cells[4],
    stamp,
    deleted: cells[8] === 1,
    mixed: cells[9] === 1,
    conflicted: cells[10] === 1,
    editFirst: cells[11] === 1,
    place: stampOfCells(cells[12], cells[13], cells[14]) ?? stamp,
    base: stampOfCells(cells[15], cells[16], cells[17])
  }
}
