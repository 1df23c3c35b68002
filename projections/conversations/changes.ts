import { Effect } from "effect"
import { kindOf } from "../../streams/ids.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { unpackTime } from "../packedTime.ts"
import { Sqlite, type Statements } from "../Sqlite.ts"
import type { Tier } from "./model.ts"
import { readCursor, writeCursor } from "./queries.ts"
import { stampOfCells } from "./rows.ts"

/** A message that was written to, as it is now. A deleted one has no words. */
export interface ChangedMessage {
  readonly id: string
  readonly deleted?: true
  readonly role?: string
  readonly content?: string
  readonly timestamp?: string
  readonly surface: string
  readonly source_backend: string
  readonly source_backend_id: string
  /** Lamport of the write that shows. */
  readonly version: number
  readonly stamp: Stamp
  /** Its place in the conversation: the stamp of its first append. Messages are read in this order, then by id. */
  readonly place: Stamp
  readonly tier: Tier
}

/** A conversation that was written to, with only the messages that were. */
export interface ChangedConversation {
  readonly conversation_id: string
  readonly title: string | null
  /** The stamp of the title's write. */
  readonly title_stamp: Stamp | null
  readonly version: number
  /** The greatest stamp in it; of its deletion, where `deleted`. */
  readonly stamp: Stamp
  readonly deleted?: true
  readonly surfaces: ReadonlyArray<string>
  readonly last_modified: string
  readonly source_backend: string
  readonly source_backend_id: string
  readonly messages: ReadonlyArray<ChangedMessage>
}

export interface Changes {
  readonly changes: ReadonlyArray<ChangedConversation>
  readonly cursor: string
  /** There is more: ask again with `cursor`. */
  readonly more: boolean
}

/** Writes looked at for one answer, and characters of what they say: a sync stays a second's work. */
const writesMax = 500
const charactersMax = 2 * 1024 * 1024

/**
 * What was written behind `cursor`, each message once and as it is now. Without a cursor, or with one of another history
 * (the log was restored, the tables rebuilt), everything: taking in a message again changes nothing.
 *
 * `order`: `log` counts places in the log, the same in every process; `arrival` counts what came into these tables,
 * events included that are not in the log yet.
 */
export const changes = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly order: "log" | "arrival"; readonly cursor: string | undefined; readonly history: string }) {
  const sqlite = yield* Sqlite
  return yield* sqlite.snapshot(Effect.fnUntraced(function*(read: Statements) {
    const { history, order, tenant } = options
    const from = placeIn(options.cursor, order, history)
    const rows = yield* read.all<Touched>(order === "log" ? touchedInLog : touchedByArrival, tenant, from, writesMax)
    let characters = 0
    const kept = rows.filter((row, at) => at === 0 || (characters += row.characters) <= charactersMax)
    const last = kept.at(-1)?.place ?? from
    const conversations = yield* read.all<ConversationCells>(readChanged, tenant, JSON.stringify(distinct(kept, "conversation")))
    const messages = yield* read.all<MessageCells>(readChangedMessages, JSON.stringify(distinct(kept, "message")))
    const answer: Changes = {
      changes: conversations.map((cells) => changedOf(cells, messages.filter(({ conversation }) => conversation === cells.rowid))),
      cursor: writeCursor([order, history, last]),
      more: kept.length < rows.length || rows.length === writesMax
    }
    return answer
  }))
})

/** A made-up cursor begins at the beginning, like one of another history. */
const placeIn = (cursor: string | undefined, order: string, history: string): number => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && read[0] === order && read[1] === history && typeof read[2] === "number" ? read[2] : 0
}

const distinct = (rows: ReadonlyArray<Touched>, field: "conversation" | "message"): ReadonlyArray<number> =>
  [...new Set(rows.flatMap((row) => row[field] ?? []))]

interface Touched {
  readonly place: number
  readonly characters: number
  readonly conversation: number | null
  readonly message: number | null
}

const tenantId = "(select id from tenant where name = ?1)"

const touchedInLog = `
  select e.seq as place, coalesce(length(w.content), 0) as characters, w.conversation, w.message
  from event e indexed by event_place left join write w on w.id = e.ref
  where e.tenant = ${tenantId} and e.seq is not null and e.seq > ?2 order by e.seq limit ?3`

const touchedByArrival = `
  select w.id as place, coalesce(length(w.content), 0) as characters, w.conversation, w.message
  from write w join conversation c on c.id = w.conversation
  where w.id > ?2 and c.tenant = ${tenantId} order by w.id limit ?3`

interface ConversationCells {
  readonly rowid: number
  readonly id: string
  readonly hidden: number
  readonly lamport: number
  readonly time: number
  readonly source: string
  readonly title: string | null
  readonly title_lamport: number | null
  readonly title_time: number | null
  readonly title_source: string | null
  readonly surfaces: string
}

const readChanged = `
  select c.id as rowid, coalesce(c.local, c.shared) as id, c.hidden, c.lamport, c.time, (select text from word where id = c.source) as source,
    t.content as title, c.title_lamport, c.title_time, (select text from word where id = c.title_source) as title_source,
    (select json_group_array(w.text) from conversation_surface s join word w on w.id = s.surface where s.conversation = c.id) as surfaces
  from jsonb_each(?2) j join conversation c on c.id = j.value left join write t on t.id = c.titled
  where c.tenant = ${tenantId} and c.lamport > 0 order by c.lamport, c.shared`

interface MessageCells {
  readonly conversation: number
  readonly id: string
  readonly deleted: number
  readonly lamport: number
  readonly time: number
  readonly source: string
  readonly place_lamport: number | null
  readonly place_time: number | null
  readonly place_source: string | null
  readonly content: string | null
  readonly timestamp: string | null
  readonly role: string | null
  readonly surface: string
  readonly seq: number | null
}

const readChangedMessages = `
  select m.conversation, coalesce(m.local, m.shared) as id, m.deleted, m.lamport, m.time, (select text from word where id = m.source) as source,
    m.place_lamport, m.place_time, (select text from word where id = m.place_source) as place_source,
    w.content, w.timestamp, (select text from word where id = w.role) as role, (select text from word where id = w.surface) as surface, e.seq
  from jsonb_each(?1) j join message m on m.id = j.value
  join conversation c on c.id = m.conversation
  join write w on w.id = m.shown
  join event e on e.tenant = c.tenant and e.id = w.event
  order by m.conversation, m.lamport, m.shared`

const changedOf = (cells: ConversationCells, messages: ReadonlyArray<MessageCells>): ChangedConversation => ({
  conversation_id: cells.id,
  title: cells.title,
  title_stamp: stampOfCells(cells.title_lamport, cells.title_time, cells.title_source) ?? null,
  version: cells.lamport,
  stamp: stampOfCells(cells.lamport, cells.time, cells.source)!,
  ...(cells.hidden === 1 ? { deleted: true as const } : {}),
  surfaces: (JSON.parse(cells.surfaces) as Array<string>).sort(),
  last_modified: unpackTime(cells.time),
  source_backend: kindOf(cells.source),
  source_backend_id: cells.source,
  messages: messages.map(messageOf)
})

const messageOf = (cells: MessageCells): ChangedMessage => {
  const stamp = stampOfCells(cells.lamport, cells.time, cells.source)!
  return {
    id: cells.id,
    ...(cells.deleted === 1 ? { deleted: true as const } : { role: cells.role ?? "", content: cells.content ?? "", timestamp: cells.timestamp ?? stamp.time }),
    surface: cells.surface,
    source_backend: kindOf(cells.source),
    source_backend_id: cells.source,
    version: cells.lamport,
    stamp,
    place: stampOfCells(cells.place_lamport, cells.place_time, cells.place_source) ?? stamp,
    tier: cells.seq === null ? "local" : "hosted"
  }
}
