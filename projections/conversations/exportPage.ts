import { Effect } from "effect"
import { unpackTime } from "../packedTime.ts"
import { Sqlite, type Statements } from "../Sqlite.ts"
import { readingOrder } from "./queries.ts"

/** A conversation in the import format, as it was written here. */
export interface Exported {
  readonly conversation_id: string
  readonly title?: string
  readonly messages: ReadonlyArray<{
    readonly id: string
    readonly role: string
    readonly content: string
    readonly timestamp: string
    readonly surface: string
  }>
}

/**
 * Visible conversations whole, ordered by their id in the log, which no write changes: paging to the end meets
 * every conversation there was at the beginning. `after`: the `last` of the page before, `""` at first.
 * `last: null`: that was the end.
 */
export const exportPage = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly after: string; readonly limit: number }) {
  const sqlite = yield* Sqlite
  return yield* sqlite.snapshot(Effect.fnUntraced(function*(read: Statements) {
    const heads = yield* read.all<HeadCells>(exportHeads, options.tenant, options.after, options.limit)
    const rows = yield* read.all<MessageCells>(exportMessages, JSON.stringify(heads.map(({ rowid }) => rowid)))
    const messages = new Map<number, Array<Exported["messages"][number]>>(heads.map(({ rowid }) => [rowid, []]))
    for (const { content, conversation, id, role, surface, time, timestamp } of rows) {
      messages.get(conversation)!.push({ id, role, content, timestamp: timestamp ?? unpackTime(time), surface })
    }
    const items = heads.map(({ id, rowid, title }): Exported => ({
      conversation_id: id,
      ...(title === null ? {} : { title }),
      messages: messages.get(rowid)!
    }))
    return { items, last: heads.length < options.limit ? null : heads[heads.length - 1]!.shared }
  }))
})

interface HeadCells {
  readonly rowid: number
  readonly shared: string
  readonly id: string
  readonly title: string | null
}

interface MessageCells {
  readonly conversation: number
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string | null
  readonly time: number
  readonly surface: string
}

const exportHeads = `
  select c.id as rowid, c.shared, coalesce(c.local, c.shared) as id, t.content as title
  from conversation c left join write t on t.id = c.titled
  where c.tenant = (select id from tenant where name = ?1) and c.shared > ?2 and c.hidden = 0
  order by c.shared limit ?3`

const exportMessages = `
  select m.conversation, coalesce(m.local, m.shared) as id, w.content, w.time, w.timestamp,
    (select text from word where id = w.role) as role, (select text from word where id = w.surface) as surface
  from json_each(?) j
  join message m on m.conversation = j.value
  join write w on w.id = m.shown
  where m.deleted = 0
  order by m.conversation, ${readingOrder}`
