import { Effect, Option } from "effect"
import { kindOf } from "../../streams/ids.ts"
import { pageMax } from "../../streams/limits.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { packTime, unpackTime } from "../packedTime.ts"
import { Sqlite } from "../Sqlite.ts"
import type { Conversation, Message, Summary } from "./model.ts"
import { stampOfCells } from "./rows.ts"

/** A page and, if there are more, where the next one begins. `cursor` is opaque. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly cursor: string | null
}

/** Visible conversations, the one written to last first. A cursor that is not one of ours begins at the start. */
export const list = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly limit: number
  readonly cursor?: string | undefined
}) {
  const sqlite = yield* Sqlite
  const limit = Math.max(1, Math.min(options.limit, pageMax))
  const [lamport, time, shared] = readListCursor(options.cursor)
  const rows = yield* sqlite.all<SummaryCells>(listPage, options.tenant, lamport, time, shared, limit)
  const last = rows[rows.length - 1]
  const page: Page<Summary> = {
    items: rows.map(summaryOf),
    cursor: last === undefined || rows.length < limit ? null : writeCursor([last.lamport, last.time, last.shared])
  }
  return page
})

const tenantId = "(select id from tenant where name = ?1)"

const summaryCells = `c.id as rowid, c.shared, coalesce(c.local, c.shared) as id, c.lamport, c.time, c.messages,
  (select text from word where id = c.source) as source, t.content as title, t.shared as shared_title,
  (select json_group_array(w.text) from conversation_surface s join word w on w.id = s.surface
    where s.conversation = c.id) as surfaces`

const listPage = `
  select ${summaryCells}
  from conversation c left join write t on t.id = c.titled
  where c.tenant = ${tenantId} and c.hidden = 0 and (c.lamport, c.time, c.shared) < (?2, ?3, ?4)
  order by c.lamport desc, c.time desc, c.shared desc limit ?5`

/** One conversation by either of its ids. `id` of the row, tenant first and id second. */
const conversationByName = `
  coalesce((select id from conversation indexed by conversation_local where tenant = ${tenantId} and local = ?2 and local is not null),
           (select id from conversation where tenant = ${tenantId} and shared = ?2))`

interface SummaryCells {
  readonly rowid: number
  readonly shared: string
  readonly id: string
  readonly lamport: number
  readonly time: number
  readonly messages: number
  readonly source: string
  readonly title: string | null
  readonly shared_title: string | null
  readonly surfaces: string
}

const summaryOf = (cells: SummaryCells): Summary => ({
  conversation_id: cells.id,
  version: cells.lamport,
  title: cells.title,
  ...(cells.shared_title === null ? {} : { shared: { title: cells.shared_title } }),
  message_count: cells.messages,
  surfaces: (JSON.parse(cells.surfaces) as Array<string>).sort(),
  last_modified: unpackTime(cells.time),
  source_backend: kindOf(cells.source),
  source_backend_id: cells.source
})

/**
 * A visible conversation whole: one statement, so one state. `everywhere`: log position every reporting peer has passed,
 * asked for when there is a conversation; without it none has.
 */
export const get = Effect.fnUntraced(function*<E = never, R = never>(options: {
  readonly tenant: string
  readonly conversation: string
  readonly everywhere?: Effect.Effect<number, E, R>
}) {
  const sqlite = yield* Sqlite
  const [cells] = yield* sqlite.all<SummaryCells & { readonly written: string }>(getConversation, options.tenant, options.conversation)
  if (cells === undefined) return Option.none<Conversation>()
  const everywhere = options.everywhere === undefined ? 0 : yield* options.everywhere
  const messages = (JSON.parse(cells.written) as ReadonlyArray<MessageCells>).map((message) => messageOf(message, everywhere))
  return Option.some<Conversation>({ ...summaryOf(cells), messages })
})

/** Reading order: place, then id. The sort is over this conversation's messages alone. */
export const readingOrder = `coalesce(m.place_lamport, m.lamport), coalesce(m.place_time, m.time),
  (select text from word where id = coalesce(m.place_source, m.source)), m.shared`

/** Why a write stays on this machine: settings kept it, or retention took it from everywhere else. */
export const staysFor = "case when e.seq is null or e.seq < c.expired then e.withheld end"

/** One text for all messages: reading their columns one by one costs the driver more than parsing it. */
const getConversation = `
  select ${summaryCells}, (
    select json_group_array(json_array(
      coalesce(m.local, m.shared), m.lamport, m.conflicted, (select text from word where id = m.source),
      w.content, w.shared, w.time, w.timestamp, (select text from word where id = w.role),
      (select text from word where id = w.surface), e.seq, ${staysFor}) order by ${readingOrder})
    from message m
    join write w on w.id = m.shown
    join event e on e.tenant = c.tenant and e.id = w.event
    where m.conversation = c.id and m.deleted = 0) as written
  from conversation c left join write t on t.id = c.titled
  where c.id = ${conversationByName} and c.hidden = 0`

type MessageCells = [
  id: string,
  lamport: number,
  conflicted: number,
  source: string,
  content: string,
  shared: string | null,
  time: number,
  timestamp: string | null,
  role: string,
  surface: string,
  seq: number | null,
  withheld: string | null
]

const messageOf = ([id, lamport, conflicted, source, content, shared, time, timestamp, role, surface, seq, withheld]: MessageCells, everywhere: number): Message => ({
  id,
  role,
  content,
  timestamp: timestamp ?? unpackTime(time),
  surface,
  source_backend: kindOf(source),
  source_backend_id: source,
  version: lamport,
  tier: seq === null || withheld !== null ? "local" : seq <= everywhere ? "everywhere" : "hosted",
  ...(shared === null ? {} : { shared: { content: shared } }),
  ...(conflicted === 1 ? { conflicted: true as const } : {}),
  ...(withheld === null ? {} : { withheld })
})

/** What a message holds now, deleted or not: what a new write names as its `base`, and what it would change. */
export interface Current {
  readonly stamp: Stamp
  readonly deleted: boolean
  readonly role: string | null
  readonly content: string | null
  readonly conflicted: boolean
  readonly log_seq: number | null
}

export const current = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly conversation: string
  readonly message: string
}) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<CurrentCells>(currentMessage, options.tenant, options.conversation, options.message)
  return Option.map(Option.fromUndefinedOr(row), (cells): Current => ({
    stamp: stampOfCells(cells.lamport, cells.time, cells.source)!,
    deleted: cells.deleted === 1,
    role: cells.role,
    content: cells.content,
    conflicted: cells.conflicted === 1,
    log_seq: cells.seq
  }))
})

interface CurrentCells {
  readonly lamport: number
  readonly time: number
  readonly source: string
  readonly deleted: number
  readonly conflicted: number
  readonly role: string | null
  readonly content: string | null
  readonly seq: number | null
}

/** One message of a conversation, by either of its ids (third parameter). */
export const messageByName = `
  coalesce((select id from message indexed by message_local where conversation = ${conversationByName} and local = ?3 and local is not null),
           (select id from message where conversation = ${conversationByName} and shared = ?3))`

const currentMessage = `
  select m.lamport, m.time, (select text from word where id = m.source) as source, m.deleted, m.conflicted,
    (select text from word where id = w.role) as role, w.content, e.seq
  from message m
  join write w on w.id = m.shown
  join conversation c on c.id = m.conversation
  join event e on e.tenant = c.tenant and e.id = w.event
  where m.id = ${messageByName}`

/** Visible conversations and visible messages of a tenant. Reads one index entry per conversation. */
export const counts = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<Counts>(countVisible, tenant)
  return row!
})

/** Visible conversations, and the messages in them. */
export interface Counts {
  readonly conversations: number
  readonly messages: number
}

export const countVisible = `
  select count(*) as conversations, coalesce(sum(messages), 0) as messages
  from conversation indexed by conversation_newest where tenant = ${tenantId} and hidden = 0`

/** The greatest lamport in any event of the tenant: what the next stamp follows. */
export const greatestLamport = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<{ lamport: number }>("select lamport from tenant where name = ?", tenant)
  return row?.lamport ?? 0
})

type ListCursor = readonly [lamport: number, time: number, shared: string]

const readListCursor = (cursor: string | undefined): ListCursor => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && typeof read[0] === "number" && typeof read[1] === "number" && typeof read[2] === "string"
    ? [read[0], read[1], read[2]]
    : [Number.MAX_SAFE_INTEGER, packTime("9999-12-31T23:59:59.999Z"), ""]
}

export const writeCursor = (place: ReadonlyArray<string | number>): string => Buffer.from(JSON.stringify(place)).toString("base64url")

export const readCursor = (cursor: string): unknown => {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString())
  } catch {
    return undefined
  }
}
