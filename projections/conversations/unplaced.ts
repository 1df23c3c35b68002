import { Effect } from "effect"
import type { Opened } from "../../streams/Envelope.ts"
import { plain } from "../../streams/Envelope.ts"
import { eventIdOf } from "../ledger.ts"
import { unpackTime } from "../packedTime.ts"
import { Sqlite } from "../Sqlite.ts"
import { stampOfCells } from "./rows.ts"
import type { WriteFact } from "./write.ts"
import { kinds } from "./tables.ts"

/** A write as it was, and whose log it belongs in. */
export interface Unplaced {
  readonly tenant: string
  readonly opened: Opened
}

/**
 * Writes of one source that have no place in the log, by tenant and then in their order: what the log lost, once it was
 * read to its end in a new epoch. Each is the event it was, stamp and id included; what a later version of its type
 * added and these tables do not keep is not.
 */
export const unplacedOf = Effect.fnUntraced(function*(source: string) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<Cells>(readUnplaced, source)
  return rows.map((cells): Unplaced => {
    const fact = factOf(cells)
    const envelope = plain(fact, {
      id: eventIdOf(cells.event), source, time: unpackTime(cells.time), lamport: cells.lamport, subject: cells.conversation, surface: cells.surface
    })
    return { tenant: cells.tenant, opened: { envelope, fact } }
  })
})

interface Cells {
  readonly tenant: string
  readonly event: string
  readonly kind: number
  readonly lamport: number
  readonly time: number
  readonly base_lamport: number | null
  readonly base_time: number | null
  readonly base_source: string | null
  readonly surface: string
  readonly role: string | null
  readonly content: string | null
  readonly timestamp: string | null
  readonly conversation: string
  readonly message: string | null
}

/** A hosted backend's: nothing is withheld there, and no id has another name. */
const readUnplaced = `
  select t.name as tenant, hex(w.event) as event, w.kind, w.lamport, w.time,
    w.base_lamport, w.base_time, (select text from word where id = w.base_source) as base_source,
    (select text from word where id = w.surface) as surface, (select text from word where id = w.role) as role,
    w.content, w.timestamp, c.shared as conversation, m.shared as message
  from event e
  join tenant t on t.id = e.tenant
  join write w on w.id = e.ref
  join word s on s.id = w.source and s.text = ?1
  join conversation c on c.id = w.conversation
  left join message m on m.id = w.message
  where e.seq is null and e.withheld is null
  order by t.name, w.lamport`

const factOf = (cells: Cells): WriteFact => {
  const message_id = cells.message ?? ""
  const base = stampOfCells(cells.base_lamport, cells.base_time, cells.base_source)
  const said = { message_id, role: cells.role ?? "", content: cells.content ?? "", timestamp: cells.timestamp ?? unpackTime(cells.time) }
  const title = cells.content
  switch (cells.kind) {
    case kinds["conversation.created"]:
      return { type: "conversation.created", data: title === null ? {} : { title } }
    case kinds["conversation.renamed"]:
      return { type: "conversation.renamed", data: { title: title ?? "" } }
    case kinds["conversation.deleted"]:
      return { type: "conversation.deleted", data: {} }
    case kinds["message.appended"]:
      return { type: "message.appended", data: said }
    case kinds["message.edited"]:
      return { type: "message.edited", data: { ...said, ...(base === undefined ? {} : { base }) } }
    default:
      return { type: "message.deleted", data: { message_id, ...(base === undefined ? {} : { base }) } }
  }
}
