import { Effect } from "effect"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import { packTime } from "../packedTime.ts"
import type { Transaction } from "../Sqlite.ts"
import type { Again } from "./aliases.ts"
import { type Contested, contested, type PastWrite, putContested, readHistories } from "./conflicts.ts"
import { greatest, later, least } from "./registers.ts"
import { kinds } from "./tables.ts"

/**
 * Compute rows again from history: where two ids became one, where retention took writes away, where a shared form
 * changed what is equal, where a stamp was used twice. Costs the length of these histories; everyday writes do not.
 */
export const refold = Effect.fnUntraced(function*(tx: Transaction, again: Again) {
  if (again.messages.size > 0) yield* refoldMessages(tx, [...again.messages])
  for (const id of again.conversations) yield* refoldConversation(tx, id)
})

const refoldMessages = Effect.fnUntraced(function*(tx: Transaction, ids: ReadonlyArray<number>) {
  const messages = yield* tx.all<{ id: number; conversation: number; tenant: number }>(
    `select m.id, m.conversation, c.tenant from json_each(?) j
     join message m on m.id = j.value join conversation c on c.id = m.conversation`,
    JSON.stringify(ids)
  )
  const histories = yield* readHistories(tx, messages.map(({ conversation, id }) => [conversation, id, 0]), [])
  const put: Array<readonly [number, number, Contested]> = []
  const rows: Array<ReadonlyArray<number | string | null>> = []
  const empty: Array<number> = []
  for (const { id, tenant } of messages) {
    const writes = histories.get(id)
    if (writes === undefined) empty.push(id)
    else {
      const base = writes.reduce<Stamp | undefined>((held, write) => later(held, write.base), undefined)
      rows.push(messageRow(id, tenant, writes, base))
      put.push([tenant, id, contested(writes, base)])
      continue
    }
    put.push([tenant, id, new Map()])
  }
  if (rows.length > 0) yield* tx.run(updateMessages, JSON.stringify(rows))
  yield* putContested(tx, put)
  if (empty.length > 0) {
    // a message with a local id stays as an empty row: what the log calls it must not be forgotten
    yield* tx.run("delete from message where local is null and id in (select value from json_each(?))", JSON.stringify(empty))
    yield* tx.run(blankMessages, JSON.stringify(empty))
  }
})

const blankMessages = `
  update message set shown = 0, lamport = 0, time = 0, source = 0, deleted = 1, mixed = 0, edit_first = 1,
    place_lamport = null, place_time = null, place_source = null, base_lamport = null, base_time = null, base_source = null
  where id in (select value from json_each(?))`

const messageRow = (id: number, tenant: number, writes: ReadonlyArray<PastWrite>, base: Stamp | undefined) => {
  const shown = greatest(writes)!
  const append = least(writes.filter(({ kind }) => kind === kinds["message.appended"]))
  const place = (append ?? least(writes))!.stamp
  return [
    id,
    tenant,
    shown.ref,
    ...cells(shown.stamp),
    Number(shown.kind === kinds["message.deleted"]),
    Number(writes.some(({ stamp }) => stamp.source !== shown.stamp.source)),
    Number(append === undefined),
    ...cells(compare(place, shown.stamp) === 0 ? undefined : place),
    ...cells(base)
  ]
}

const cells = (stamp: Stamp | undefined): ReadonlyArray<number | string | null> =>
  stamp === undefined ? [null, null, null] : [stamp.lamport, packTime(stamp.time), stamp.source]

const word = (at: number) => `(select id from word where tenant = j.value ->> 1 and text = j.value ->> ${at})`

const updateMessages = `
  update message set shown = j.value ->> 2, lamport = j.value ->> 3, time = j.value ->> 4, source = ${word(5)},
    deleted = j.value ->> 6, mixed = j.value ->> 7, edit_first = j.value ->> 8,
    place_lamport = j.value ->> 9, place_time = j.value ->> 10, place_source = ${word(11)},
    base_lamport = j.value ->> 12, base_time = j.value ->> 13, base_source = ${word(14)}
  from jsonb_each(?) j where message.id = j.value ->> 0`

const refoldConversation = Effect.fnUntraced(function*(tx: Transaction, id: number) {
  const top = (filter: string) =>
    Effect.map(
      tx.all<TopWrite>(
        `select w.id, w.kind, w.lamport, w.time, w.source from write w where w.conversation = ? ${filter}
         order by w.lamport desc, w.time desc, (select text from word where id = w.source) desc, w.event desc limit 1`,
        id
      ),
      (rows) => rows[0]
    )
  const latest = yield* top("")
  const title = yield* top("and w.message is null and (w.kind = 2 or (w.kind = 1 and w.content is not null))")
  yield* tx.run(
    `update conversation set hidden = ?2, lamport = ?3, time = ?4, source = ?5,
       titled = ?6, title_lamport = ?7, title_time = ?8, title_source = ?9,
       messages = (select count(*) from message where conversation = ?1 and deleted = 0) where id = ?1`,
    id,
    Number(latest === undefined || latest.kind === kinds["conversation.deleted"]),
    latest?.lamport ?? 0,
    latest?.time ?? 0,
    latest?.source ?? 0,
    title?.id ?? null,
    title?.lamport ?? null,
    title?.time ?? null,
    title?.source ?? null
  )
  yield* tx.run("delete from conversation_surface where conversation = ?", id)
  yield* tx.run("insert into conversation_surface select distinct conversation, surface from write where conversation = ?", id)
})

interface TopWrite {
  readonly id: number
  readonly kind: number
  readonly lamport: number
  readonly time: number
  readonly source: number
}
