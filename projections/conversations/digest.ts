import { Effect } from "effect"
import { createHash } from "node:crypto"
import { Sqlite, type Statements } from "../Sqlite.ts"
import { eventIdOf } from "../ledger.ts"
import { type Counts, countVisible, readingOrder } from "./queries.ts"
import { bytewise, greatest, least, type Write } from "./registers.ts"
import { compare } from "../../streams/Stamp.ts"
import { stampOfCells } from "./rows.ts"
import { kinds } from "./tables.ts"

/** Conversations looked at together. */
const conversationsPerStep = 200
/** Messages whose contents are in memory together. */
const contentsPerStep = 250

/**
 * The state digest: lower-case hex SHA-256 over what a reader sees, as others see it. One line of canonical JSON and `\n`
 * for each visible conversation, sorted bytewise by its shared id: `[id, title or null, [[message_id, role, content], …]]`
 * in reading order, without deleted messages. Equal on two backends exactly when they show the same.
 *
 * Reads everything once, in bounded memory, from one snapshot.
 */
export const stateDigest = Effect.fnUntraced(function*(tenant: string) {
  return yield* (yield* Sqlite).snapshot((read) => digestIn(read, tenant))
})

/** What a reader sees, counted, and its digest, of one state: a write that comes in between is in both or in neither. */
export const stateSeen = Effect.fnUntraced(function*(tenant: string) {
  return yield* (yield* Sqlite).snapshot(Effect.fnUntraced(function*(read: Statements) {
    const [counted] = yield* read.all<Counts>(countVisible, tenant)
    return { ...counted!, digest: yield* digestIn(read, tenant) }
  }))
})

const digestIn = Effect.fnUntraced(function*(read: Statements, tenant: string) {
  const hash = createHash("sha256")
  let after = ""
  while (true) {
    const page = yield* read.all<Line>(visiblePage, tenant, after, conversationsPerStep)
    const last = page[page.length - 1]
    if (last === undefined) return hash.digest("hex")
    const plain = page.filter(({ withheld }) => withheld === 0)
    const places = groupBy(yield* read.all<Place>(readPlaces, JSON.stringify(plain.map(({ id }) => id))), (row) => row.conversation)
    const pieces: Array<Piece> = []
    for (const line of page) {
      const shown = line.withheld === 0
        ? { hidden: line.hidden === 1, titled: line.titled, places: places.get(line.id) ?? [] }
        : sharedForm(yield* read.all<PastCells>(sharedHistory, line.id))
      if (!shown.hidden) for (const piece of piecesOf(line.shared, shown)) pieces.push(piece)
    }
    for (let from = 0; from < pieces.length; from += contentsPerStep) {
      const step = pieces.slice(from, from + contentsPerStep)
      const contents = yield* contentsOf(read, step.flatMap(({ ref }) => ref === null ? [] : [ref]))
      for (const { ref, text } of step) hash.update(text(ref === null ? undefined : contents.get(ref)))
    }
    after = last.shared
  }
})

interface Line {
  readonly id: number
  readonly shared: string
  readonly hidden: number
  readonly withheld: number
  readonly titled: number | null
}

interface Place {
  readonly conversation: number
  readonly id: string
  readonly ref: number
}

interface Shown {
  readonly hidden: boolean
  readonly titled: number | null
  readonly places: ReadonlyArray<{ readonly id: string; readonly ref: number }>
}

/** Ordered bytewise, as the index is. A hidden conversation with withheld writes may be visible to others. */
const visiblePage = `
  select id, shared, hidden, withheld, titled from conversation
  where tenant = (select id from tenant where name = ?1) and shared > ?2 and (hidden = 0 or withheld = 1)
  order by shared limit ?3`

const readPlaces = `
  select m.conversation, m.shared as id, m.shown as ref from json_each(?) j
  join message m on m.conversation = j.value where m.deleted = 0
  order by m.conversation, ${readingOrder}`

/** A stretch of the text to be hashed, and the write whose content it needs. */
interface Piece {
  readonly ref: number | null
  readonly text: (content: Content | undefined) => string
}

const piecesOf = (id: string, shown: Shown): ReadonlyArray<Piece> => [
  { ref: shown.titled, text: (title) => `[${JSON.stringify(id)},${JSON.stringify(title?.text ?? null)},[` },
  ...shown.places.map(({ id, ref }, i): Piece => ({
    ref,
    text: (content) => `${i === 0 ? "" : ","}${JSON.stringify([id, content!.role, content!.text])}`
  })),
  { ref: null, text: () => "]]\n" }
]

interface Content {
  readonly ref: number
  readonly role: string | null
  readonly text: string | null
}

const contentsOf = (read: Statements, refs: ReadonlyArray<number>) =>
  Effect.map(
    read.all<Content>(readContents, JSON.stringify(refs)),
    (rows) => new Map(rows.map((row) => [row.ref, row] as const))
  )

const readContents = `
  select w.id as ref, coalesce(w.shared_role, (select text from word where id = w.role)) as role, coalesce(w.shared, w.content) as text
  from json_each(?) j join write w on w.id = j.value`

interface PastCells {
  readonly ref: number
  readonly message: string | null
  readonly kind: number
  readonly event: string
  readonly content: number
  readonly lamport: number
  readonly time: number
  readonly source: string
}

/** The writes of one conversation that left this machine, or still may, and that retention has left in the log. */
const sharedHistory = `
  select w.id as ref, m.shared as message, w.kind, hex(w.event) as event, w.content is not null as content,
    w.lamport, w.time, (select text from word where id = w.source) as source
  from conversation c
  join write w on w.conversation = c.id
  join event e on e.tenant = c.tenant and e.id = w.event
  left join message m on m.id = w.message
  where c.id = ? and (e.withheld is null or e.seq >= c.expired)`

interface PastWrite extends Write {
  readonly ref: number
  readonly kind: number
}

/** The registers of a conversation without the writes that stay here, by the rules of `view`. */
const sharedForm = (cells: ReadonlyArray<PastCells>): Shown => {
  const own: Array<PastWrite> = []
  const all: Array<PastWrite> = []
  const messages = new Map<string, Array<PastWrite>>()
  for (const { content, event, kind, lamport, message, ref, source, time } of cells) {
    const write: PastWrite = { ref, kind, eventId: eventIdOf(event), stamp: stampOfCells(lamport, time, source)!, base: undefined, value: ref }
    all.push(write)
    if (message !== null) messages.set(message, [...messages.get(message) ?? [], write])
    else if (kind === kinds["conversation.renamed"] || (kind === kinds["conversation.created"] && content === 1)) own.push(write)
  }
  const latest = greatest(all)
  const visible = [...messages].flatMap(([id, writes]) => {
    const shown = greatest(writes)!
    if (shown.kind === kinds["message.deleted"]) return []
    const place = (least(writes.filter(({ kind }) => kind === kinds["message.appended"])) ?? least(writes))!
    return [{ id, ref: shown.ref, place: place.stamp }]
  })
  return {
    hidden: latest === undefined || latest.kind === kinds["conversation.deleted"],
    titled: greatest(own)?.ref ?? null,
    places: visible.sort((a, b) => compare(a.place, b.place) || bytewise(a.id, b.id))
  }
}

const groupBy = <A, K>(rows: ReadonlyArray<A>, key: (row: A) => K): ReadonlyMap<K, ReadonlyArray<A>> => {
  const groups = new Map<K, Array<A>>()
  for (const row of rows) {
    const held = groups.get(key(row))
    if (held === undefined) groups.set(key(row), [row])
    else held.push(row)
  }
  return groups
}
