import { Effect, Option } from "effect"
import { pageMax } from "../../streams/limits.ts"
import { eventIdOf } from "../ledger.ts"
import { unpackTime } from "../packedTime.ts"
import { Sqlite, type Statements } from "../Sqlite.ts"
import type { Conflict, HistoryItem } from "./model.ts"
import { messageByName, type Page, readCursor, staysFor, writeCursor } from "./queries.ts"
import { stampOfCells } from "./rows.ts"
import { kinds } from "./tables.ts"

/** Every write to a message, newest first; none when no write to it is known. Deleted messages and conversations included. */
export const history = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly conversation: string
  readonly message: string
}) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<HistoryCells>(readMessageHistory, options.tenant, options.conversation, options.message)
  return rows.map(itemOf)
})

const historyCells = `hex(w.event) as event, w.kind, w.lamport, w.time, (select text from word where id = w.source) as source,
  w.base_lamport, w.base_time, (select text from word where id = w.base_source) as base_source,
  (select text from word where id = w.surface) as surface, (select text from word where id = w.role) as role,
  w.content, w.timestamp, w.shared, e.seq, ${staysFor} as withheld`

const newestFirst = "w.lamport desc, w.time desc, (select text from word where id = w.source) desc, w.event desc"

const readMessageHistory = `
  select ${historyCells}
  from message m
  join conversation c on c.id = m.conversation
  join write w on w.conversation = m.conversation and w.message = m.id
  join event e on e.tenant = c.tenant and e.id = w.event
  where m.id = ${messageByName}
  order by ${newestFirst}`

interface HistoryCells {
  readonly event: string
  readonly kind: number
  readonly lamport: number
  readonly time: number
  readonly source: string
  readonly base_lamport: number | null
  readonly base_time: number | null
  readonly base_source: string | null
  readonly surface: string
  readonly role: string | null
  readonly content: string | null
  readonly timestamp: string | null
  readonly shared: string | null
  readonly seq: number | null
  readonly withheld: string | null
}

const typeOf = (kind: number): HistoryItem["type"] =>
  kind === kinds["message.appended"] ? "message.appended" : kind === kinds["message.edited"] ? "message.edited" : "message.deleted"

const itemOf = (cells: HistoryCells): HistoryItem => ({
  event_id: eventIdOf(cells.event),
  type: typeOf(cells.kind),
  stamp: stampOfCells(cells.lamport, cells.time, cells.source)!,
  base: stampOfCells(cells.base_lamport, cells.base_time, cells.base_source) ?? null,
  surface: cells.surface,
  role: cells.role,
  content: cells.content,
  timestamp: cells.kind === kinds["message.deleted"] ? null : cells.timestamp ?? unpackTime(cells.time),
  ...(cells.shared === null ? {} : { shared: { content: cells.shared } }),
  log_seq: cells.seq,
  ...(cells.withheld === null ? {} : { withheld: cells.withheld })
})

/** Messages of visible conversations on which devices disagree. The order is this file's own; `cursor` is opaque. */
export const conflicts = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly limit: number
  readonly cursor?: string | undefined
}) {
  const sqlite = yield* Sqlite
  const limit = Math.max(1, Math.min(options.limit, pageMax))
  const place = options.cursor === undefined ? undefined : readCursor(options.cursor)
  const after = Array.isArray(place) && typeof place[0] === "number" ? place[0] : 0
  return yield* sqlite.snapshot(Effect.fnUntraced(function*(read: Statements) {
    const messages = yield* read.all<{ message: number; conversation_id: string; message_id: string; shown: number }>(
      conflictPage,
      options.tenant,
      after,
      limit
    )
    const rows = yield* read.all<HistoryCells & { message: number; ref: number }>(
      conflictWrites,
      options.tenant,
      JSON.stringify(messages.map(({ message, shown }) => [message, shown]))
    )
    const last = messages[messages.length - 1]
    const page: Page<Conflict> = {
      items: messages.map(({ conversation_id, message, message_id, shown }) => ({
        conversation_id,
        message_id,
        shown: itemOf(rows.find((row) => row.ref === shown)!),
        losing: rows.filter((row) => row.message === message && row.ref !== shown).map(itemOf)
      })),
      cursor: last === undefined || messages.length < limit ? null : writeCursor([last.message])
    }
    return page
  }))
})

const conflictPage = `
  select distinct k.message, coalesce(c.local, c.shared) as conversation_id, coalesce(m.local, m.shared) as message_id, m.shown
  from conflict k
  join message m on m.id = k.message
  join conversation c on c.id = m.conversation
  where k.tenant = (select id from tenant where name = ?1) and k.message > ?2 and c.hidden = 0
  order by k.message limit ?3`

/** How many messages `conflicts` lists, over all its pages. */
export const countConflicts = Effect.fnUntraced(function*(tenant: string) {
  const [row] = yield* (yield* Sqlite).all<{ count: number }>(conflictCount, tenant)
  return row!.count
})

const conflictCount = `
  select count(distinct k.message) as count
  from conflict k
  join message m on m.id = k.message
  join conversation c on c.id = m.conversation
  where k.tenant = (select id from tenant where name = ?1) and c.hidden = 0`

/** The losing writes of each message, and the one that shows. */
const conflictWrites = `
  select v.message, v.write as ref, ${historyCells}
  from (
    select k.message, k.write from json_each(?2) j join conflict k
      on k.tenant = (select id from tenant where name = ?1) and k.message = j.value ->> 0
    union select j.value ->> 0, j.value ->> 1 from json_each(?2) j
  ) v
  join write w on w.id = v.write
  join conversation c on c.id = w.conversation
  join event e on e.tenant = c.tenant and e.id = w.event
  order by v.message, ${newestFirst}`

/** What a message that is offered again is to what is here. */
export interface Existing {
  readonly state: "absent" | "same" | "different" | "deleted"
  /** What a write that changes it names as its base. */
  readonly base: HistoryItem["stamp"] | null
}

/** For each message offered, in order, what is here of it, in one statement: equal content at an equal id is no event. */
export const findExisting = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly messages: ReadonlyArray<{ readonly conversation: string; readonly message_id: string; readonly role: string; readonly content: string }>
}) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ at: number; deleted: number; same: number; lamport: number; time: number; source: string }>(
    existing,
    options.tenant,
    JSON.stringify(options.messages.map(({ content, conversation, message_id, role }) => [conversation, message_id, role, content]))
  )
  const answer: Array<Existing> = options.messages.map(() => ({ state: "absent", base: null }))
  for (const { at, deleted, lamport, same, source, time } of rows) {
    answer[at] = {
      state: deleted === 1 ? "deleted" : same === 1 ? "same" : "different",
      base: Option.getOrThrow(Option.fromUndefinedOr(stampOfCells(lamport, time, source)))
    }
  }
  return answer
})

/** Ids as this machine calls them first: a row found by its local name wins over one found by the log's. */
export const existing = `
  select v.at, m.deleted, m.lamport, m.time, (select text from word where id = m.source) as source,
    (w.content = v.content and (select text from word where id = w.role) = v.role) as same
  from (
    select j.key as at, j.value ->> 2 as role, j.value ->> 3 as content, coalesce(
      (select id from message indexed by message_local where conversation = c.id and local = j.value ->> 1 and local is not null),
      (select id from message where conversation = c.id and shared = j.value ->> 1)) as message
    from jsonb_each(?2) j join conversation c on c.id = coalesce(
      (select id from conversation indexed by conversation_local
        where tenant = (select id from tenant where name = ?1) and local = j.value ->> 0 and local is not null),
      (select id from conversation where tenant = (select id from tenant where name = ?1) and shared = j.value ->> 0))
  ) v
  join message m on m.id = v.message
  join write w on w.id = m.shown`
