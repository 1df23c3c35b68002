import { Effect } from "effect"
import { eventIdOf, hexOf } from "../ledger.ts"
import { type Key, keysOf, type State } from "../peers/apply.ts"
import { Sqlite } from "../Sqlite.ts"
import type { ChainHead } from "./queries.ts"

/** Where events are: their place in the log, and why they stay here, for those known. */
export interface Place {
  readonly eventId: string
  readonly seq: number | null
  readonly withheld: string | null
}

const rowsOf = (ids: ReadonlyArray<string>): string => JSON.stringify(ids.map(hexOf))

/** Places of the events of a tenant among these ids; those without any, and unknown ones, are left out. */
export const placesOf = Effect.fnUntraced(function*(tenant: string, eventIds: ReadonlyArray<string>) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ id: string; seq: number | null; withheld: string | null }>(readPlacesOf, tenant, rowsOf(eventIds))
  return rows.map(({ id, seq, withheld }): Place => ({ eventId: eventIdOf(id), seq, withheld }))
})

const readPlacesOf = `
  select hex(e.id) as id, e.seq, e.withheld from jsonb_each(?2) j
  cross join event e on e.tenant = (select id from tenant where name = ?1) and e.id = unhex(j.value)
  where e.seq is not null or e.withheld is not null`

/** What a write says under the names it has here: to tell how the form that left differs. */
export interface WrittenForm {
  readonly eventId: string
  readonly content: string | null
  readonly role: string | null
  readonly message_id: string | null
  readonly conversation: string
}

export const formsOf = Effect.fnUntraced(function*(tenant: string, eventIds: ReadonlyArray<string>) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<Omit<WrittenForm, "eventId"> & { readonly id: string }>(readForms, tenant, rowsOf(eventIds))
  return rows.map(({ id, ...form }): WrittenForm => ({ eventId: eventIdOf(id), ...form }))
})

const readForms = `
  select hex(e.id) as id, w.content, (select text from word where id = w.role) as role, coalesce(m.local, m.shared) as message_id, coalesce(c.local, c.shared) as conversation
  from jsonb_each(?2) j
  cross join event e on e.tenant = (select id from tenant where name = ?1) and e.id = unhex(j.value)
  join write w on w.id = e.ref join conversation c on c.id = w.conversation left join message m on m.id = w.message`

/** Every author's head in every tenant: what a reader of the whole log goes on from. */
export const allHeads = Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<ChainHead & { readonly tenant: string }>(
    `select t.name as tenant, h.author, h.seq, h.digest, h.journal, h.first as "from", h.last as "to", h.time
     from chain_head h join tenant t on t.id = h.tenant`)
  return rows.map((row): readonly [tenant: string, author: string, head: ChainHead] => [row.tenant, row.author, row])
})

/** An author as a reader pins it: its backend, and its keys, an old one until its grace ends. */
export interface PinnedAuthor {
  readonly backendId: string
  readonly keys: ReadonlyArray<{ readonly keyId: string; readonly publicKey: string; readonly until?: string }>
}

/** Every author that was ever registered, in every tenant. */
export const allAuthors = Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ tenant: string; peer: string; state: string }>("select t.name as tenant, p.peer, p.state from peer p join tenant t on t.id = p.tenant")
  return rows.flatMap(({ peer, state, tenant }): ReadonlyArray<readonly [tenant: string, author: string, pinned: PinnedAuthor]> => {
    const held = JSON.parse(state) as State
    // hosted registers nowhere: it is pinned by the pairing code, and only its later keys are told in the log
    const backendId = held.first?.value.backend_id ?? (peer === "hosted" ? "" : undefined)
    return backendId === undefined ? [] : [[tenant, peer, { backendId, keys: keysOf(held).map(pinnedKey) }]]
  })
})

/** A key only its id is known of (hosted's first) checks nothing; when its grace ends is known all the same. */
const pinnedKey = ({ grace_ends_at, key_id, public_key }: Key): PinnedAuthor["keys"][number] =>
  ({ keyId: key_id, publicKey: public_key ?? "", ...(grace_ends_at === null ? {} : { until: grace_ends_at }) })

/** Events that stay here for this reason, oldest first. */
export const withheldFor = Effect.fnUntraced(function*(tenant: string, why: string) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ id: string }>(readWithheld, tenant, why)
  return rows.map(({ id }) => eventIdOf(id))
})

const readWithheld = `
  select hex(id) as id from event indexed by event_withheld
  where tenant = (select id from tenant where name = ?1) and withheld is not null and withheld = ?2 and seq is null order by ref`

/** Which of these events are here, and whether this source wrote them. */
export const heldOf = Effect.fnUntraced(function*(tenant: string, source: string, eventIds: ReadonlyArray<string>) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ id: string; own: number }>(readHeld, tenant, rowsOf(eventIds), source)
  return new Map(rows.map(({ id, own }) => [eventIdOf(id), own === 1] as const))
})

export const readHeld = `
  select hex(e.id) as id, coalesce((select w.source = s.id from write w join word s on s.tenant = e.tenant and s.text = ?3 where w.id = e.ref), 0) as own
  from jsonb_each(?2) j
  cross join event e on e.tenant = (select id from tenant where name = ?1) and e.id = unhex(j.value)`

/** Conversations that retention took something from, by their name in the log, and up to where. */
export const expiredOf = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  return yield* sqlite.all<{ conversation: string; before: number }>(
    "select shared as conversation, expired as before from conversation where tenant = (select id from tenant where name = ?) and expired > 0", tenant)
})
