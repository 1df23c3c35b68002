import { Effect } from "effect"
import type { Stamp } from "../../streams/Stamp.ts"
import { eventIdOf } from "../ledger.ts"
import { unpackTime } from "../packedTime.ts"
import { Sqlite } from "../Sqlite.ts"
import { stampOfCells } from "./rows.ts"
import { type Kind, kinds } from "./tables.ts"

/** One write to a conversation or a message, whatever became of it: all that is kept of it. */
export interface ExportedWrite {
  readonly event_id: string
  readonly type: Kind
  readonly conversation_id: string
  /** Absent in writes to the conversation itself. */
  readonly message_id?: string
  readonly stamp: Stamp
  readonly base?: Stamp
  readonly surface: string
  readonly role?: string
  readonly content?: string
  readonly title?: string
  readonly timestamp?: string
  /** What others see, where redaction made it different. */
  readonly shared?: { readonly text?: string; readonly role?: string }
  /** Its place in the log; absent while it is only here. */
  readonly log_seq?: number
  readonly withheld?: string
}

/** Writes in the order they came into these tables. `after`: the `last` of the page before, 0 at first. `last: null`: that was the end. */
export const writesPage = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly after: number; readonly limit: number }) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<WriteCells>(exportWrites, options.tenant, options.after, options.limit)
  return { items: rows.map(writeOf), last: rows.length < options.limit ? null : rows[rows.length - 1]!.ref }
})

interface WriteCells {
  readonly ref: number
  readonly event: string
  readonly kind: number
  readonly conversation: string
  readonly message: string | null
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
  readonly shared_role: string | null
  readonly seq: number | null
  readonly withheld: string | null
}

const exportWrites = `
  select w.id as ref, hex(w.event) as event, w.kind, coalesce(c.local, c.shared) as conversation, coalesce(m.local, m.shared) as message,
    w.lamport, w.time, (select text from word where id = w.source) as source,
    w.base_lamport, w.base_time, (select text from word where id = w.base_source) as base_source,
    (select text from word where id = w.surface) as surface, (select text from word where id = w.role) as role,
    w.content, w.timestamp, w.shared, w.shared_role, e.seq, e.withheld
  from write w join conversation c on c.id = w.conversation
  left join message m on m.id = w.message
  join event e on e.tenant = c.tenant and e.id = w.event
  where w.id > ?2 and c.tenant = (select id from tenant where name = ?1) order by w.id limit ?3`

const types = new Map<number, Kind>(Object.entries(kinds).map(([type, kind]) => [kind, type as Kind]))

const writeOf = (cells: WriteCells): ExportedWrite => {
  const { content, kind, message, role, seq, shared, shared_role, timestamp, withheld } = cells
  const type = types.get(kind)!
  const base = stampOfCells(cells.base_lamport, cells.base_time, cells.base_source)
  const said = type === "message.appended" || type === "message.edited"
  return {
    event_id: eventIdOf(cells.event),
    type,
    conversation_id: cells.conversation,
    ...(message === null ? {} : { message_id: message }),
    stamp: stampOfCells(cells.lamport, cells.time, cells.source)!,
    ...(base === undefined ? {} : { base }),
    surface: cells.surface,
    ...(role === null ? {} : { role }),
    ...(content === null ? {} : said ? { content, timestamp: timestamp ?? unpackTime(cells.time) } : { title: content }),
    ...(shared === null && shared_role === null ? {} : { shared: { ...(shared === null ? {} : { text: shared }), ...(shared_role === null ? {} : { role: shared_role }) } }),
    ...(seq === null ? {} : { log_seq: seq }),
    ...(withheld === null ? {} : { withheld })
  }
}
