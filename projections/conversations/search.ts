import { Effect } from "effect"
import { pageMax } from "../../streams/limits.ts"
import { Sqlite } from "../Sqlite.ts"
import { unpackTime } from "../packedTime.ts"
import { type Page, readCursor, writeCursor } from "./queries.ts"
import { searchStep } from "./searchIndex.ts"

/** What shows and says what was asked for: a message, or a title where `message_id` is null. */
export interface Found {
  readonly conversation_id: string
  readonly title: string | null
  readonly message_id: string | null
  readonly role: string | null
  readonly timestamp: string
  /** The words and some around them. */
  readonly excerpt: string
  /** Where in the excerpt the words are, `[from, to)` in UTF-16 units. */
  readonly marks: ReadonlyArray<readonly [number, number]>
}

/** Words asked for at once; what is behind them is left out. */
const wordsMax = 16
/** Steps of the index waited for, so that a writer finds its own write; after a long import the rest is `behind`. */
const stepsMax = 5
/** Before and after a word found, in excerpts; in what people write they stand for nothing. */
const [open, close] = ["\u0002", "\u0003"]
/** Words in an excerpt. */
const excerptWords = 24

/**
 * Messages and titles that hold every word, each as a word or the beginning of one, whatever its case and accents;
 * what was written last first. `behind`: there are writes the index does not have yet.
 */
export const search = Effect.fnUntraced(function*(options: {
  readonly tenant: string
  readonly words: string
  readonly limit: number
  readonly cursor?: string | undefined
}) {
  const sqlite = yield* Sqlite
  let behind = true
  for (let steps = 0; behind && steps < stepsMax; steps++) behind = (yield* searchStep) > 0
  const limit = Math.max(1, Math.min(options.limit, pageMax))
  const words = wordsOf(options.words)
  const [tenant] = yield* sqlite.all<{ readonly id: number }>("select id from tenant where name = ?", options.tenant)
  if (words.length === 0 || tenant === undefined) return { behind, page: none }
  const rows = yield* sqlite.all<Cells>(findSaid, tenant.id, `tenant : "t${tenant.id}" AND content : (${words.map((word) => `"${word}" *`).join(" AND ")})`, beforeOf(options.cursor), limit)
  const last = rows[rows.length - 1]
  const page: Page<Found> = { items: rows.map(foundOf), cursor: last === undefined || rows.length < limit ? null : writeCursor([last.id]) }
  return { behind, page }
})

const none: Page<Found> = { items: [], cursor: null }

/** What FTS5's tokenizer would find nothing in is no word. Quoted, nothing in a word means anything to FTS5. */
const wordsOf = (text: string): ReadonlyArray<string> =>
  text.split(/\s+/u).filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word)).slice(0, wordsMax).map((word) => word.replaceAll("\"", "\"\"").replaceAll("\u0000", " "))

const beforeOf = (cursor: string | undefined): number => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && typeof read[0] === "number" ? read[0] : Number.MAX_SAFE_INTEGER
}

/** The newest first, by the index's own order: it stops reading when the page is full. */
const findSaid = `
  select w.id, coalesce(c.local, c.shared) as conversation, t.content as title, coalesce(m.local, m.shared) as message,
    (select text from word where id = w.role) as role, w.timestamp, w.time,
    snippet(said, 1, '${open}', '${close}', '…', ${excerptWords}) as excerpt
  from said
  join write w on w.id = said.rowid
  join conversation c on c.id = w.conversation and c.tenant = ?1 and c.hidden = 0
  left join message m on m.id = w.message
  left join write t on t.id = c.titled
  where said match ?2 and said.rowid < ?3 and (m.shown = w.id and m.deleted = 0 or w.message is null and c.titled = w.id)
  order by said.rowid desc limit ?4`

interface Cells {
  readonly id: number
  readonly conversation: string
  readonly title: string | null
  readonly message: string | null
  readonly role: string | null
  readonly timestamp: string | null
  readonly time: number
  readonly excerpt: string
}

const foundOf = ({ conversation, excerpt, message, role, time, timestamp, title }: Cells): Found => ({
  conversation_id: conversation,
  title,
  message_id: message,
  role,
  timestamp: timestamp ?? unpackTime(time),
  ...marked(excerpt)
})

const marked = (text: string): Pick<Found, "excerpt" | "marks"> => {
  let excerpt = ""
  const marks: Array<readonly [number, number]> = []
  for (const part of text.split(open)) {
    const end = part.indexOf(close)
    if (end > 0) marks.push([excerpt.length, excerpt.length + end])
    excerpt += part.replaceAll(close, "")
  }
  return { excerpt, marks }
}
