import { Effect } from "effect"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import { packTime } from "../packedTime.ts"
import type { Transaction } from "../Sqlite.ts"
import { eventIdOf } from "../ledger.ts"
import { baseOf, inConflict, later, order, type Write } from "./registers.ts"
import { type MessageRow, stampOfCells, type Written } from "./rows.ts"

/** A write of a message's history, as far as the rules need it. */
export interface PastWrite extends Write {
  readonly ref: number
  readonly kind: number
}

/** For each write in an unsettled conflict, the greatest of the greater writes it is in conflict with (itself included). */
export type Contested = ReadonlyMap<number, Stamp>

/**
 * Who is in conflict among `writes`, given that everything up to `settled` is settled.
 *
 * A pair is listed until a base reaches its greater write, so a write needs to be remembered only with the greatest
 * greater write of its pairs: when `settled` passes that, all of them are settled. Pairs that are settled now are
 * settled for good, because `settled` only rises; so of what was there before, only newer writes are looked at.
 *
 * `among`: only pairs with one of these; without it, all pairs.
 */
export const contested = (writes: ReadonlyArray<PastWrite>, settled: Stamp | undefined, among?: ReadonlySet<number>): Contested => {
  const inOrder = [...writes].sort(order)
  const out = new Map<number, Stamp>()
  const note = (ref: number, stamp: Stamp) => out.set(ref, later(out.get(ref), stamp)!)
  for (let g = inOrder.length - 1; g > 0; g--) {
    const greater = inOrder[g]!
    if (settled !== undefined && compare(greater.stamp, settled) <= 0) break
    for (let s = g - 1; s >= 0; s--) {
      const smaller = inOrder[s]!
      if (greater.base !== undefined && compare(smaller.stamp, greater.base) <= 0) break
      if (among !== undefined && !among.has(greater.ref) && !among.has(smaller.ref)) continue
      if (!inConflict(smaller, greater)) continue
      note(smaller.ref, greater.stamp)
      note(greater.ref, greater.stamp)
    }
  }
  return out
}

/**
 * Bring the list of conflicts up to date for messages that got writes whose authors had not seen everything.
 * Reads the part of each message's history that those authors had not seen.
 */
export const recheck = Effect.fnUntraced(function*(
  tx: Transaction,
  contenders: ReadonlyMap<MessageRow, ReadonlyArray<Written>>,
  settled: ReadonlySet<MessageRow>
) {
  const cleared = [...settled].filter((row) => !contenders.has(row))
  if (contenders.size === 0 && cleared.length === 0) return
  const rows = [...contenders.keys()]
  const histories = yield* readHistories(
    tx,
    rows.map((row) => [row.conversation.id, row.id, unseenFrom(row, contenders.get(row)!)]),
    [...contenders.values()].flatMap((writes) => writes.map(({ ref }) => ref))
  )
  const listed = yield* readListed(tx, rows)
  const put: Array<readonly [tenant: number, message: number, contested: Contested]> = []
  for (const row of rows) {
    const found = new Map(contested(histories.get(row.id) ?? [], row.base, new Set(contenders.get(row)!.map(({ ref }) => ref))))
    for (const [ref, stamp] of listed.get(row.id) ?? []) {
      if (row.base === undefined || compare(stamp, row.base) > 0) found.set(ref, later(found.get(ref), stamp)!)
    }
    put.push([row.conversation.tenant, row.id, found])
  }
  for (const row of cleared) put.push([row.conversation.tenant, row.id, new Map()])
  yield* putContested(tx, put)
})

/**
 * The lamport from which on history matters: whatever is not settled yet, and what the authors of new writes had not
 * seen. A new write that is settled itself can only be the smaller of a pair, so nothing below it is asked for.
 */
const unseenFrom = (row: MessageRow, writes: ReadonlyArray<Written>): number =>
  writes.reduce(
    (from, { base, stamp }) =>
      row.base !== undefined && compare(stamp, row.base) <= 0 ? from : Math.min(from, base?.lamport ?? 0),
    row.base?.lamport ?? 0
  )

/** Replace what is listed of each message. Refs stand for writes. */
export const putContested = Effect.fnUntraced(function*(
  tx: Transaction,
  put: ReadonlyArray<readonly [tenant: number, message: number, contested: Contested]>
) {
  if (put.length === 0) return
  yield* tx.run(
    "delete from conflict where (tenant, message) in (select j.value ->> 0, j.value ->> 1 from jsonb_each(?) j)",
    JSON.stringify(put.map(([tenant, message]) => [tenant, message]))
  )
  const rows = put.flatMap(([tenant, message, found]) =>
    Array.from(found, ([ref, stamp]) => [tenant, message, ref, stamp.lamport, packTime(stamp.time), stamp.source]))
  if (rows.length > 0) yield* tx.run(addConflicts, JSON.stringify(rows))
  yield* tx.run(
    "update message set conflicted = j.value ->> 1 from jsonb_each(?) j where message.id = j.value ->> 0",
    JSON.stringify(put.map(([, message, found]) => [message, Number(found.size > 0)]))
  )
})

const addConflicts = `
  insert into conflict (tenant, message, write, lamport, time, source)
  select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, w.id
  from jsonb_each(?) j join word w on w.tenant = j.value ->> 0 and w.text = j.value ->> 5`

const readListed = Effect.fnUntraced(function*(tx: Transaction, rows: ReadonlyArray<MessageRow>) {
  const found = yield* tx.all<{ message: number; write: number; lamport: number; time: number; source: string }>(
    `select c.message, c.write, c.lamport, c.time, w.text as source from jsonb_each(?) j
     join conflict c on c.tenant = j.value ->> 0 and c.message = j.value ->> 1 join word w on w.id = c.source`,
    JSON.stringify(rows.filter((row) => row.conflicted).map((row) => [row.conversation.tenant, row.id]))
  )
  const listed = new Map<number, Map<number, Stamp>>()
  for (const { lamport, message, source, time, write } of found) {
    const held = listed.get(message) ?? new Map<number, Stamp>()
    listed.set(message, held.set(write, stampOfCells(lamport, time, source)!))
  }
  return listed
})

/** Histories of messages from a lamport on, and single writes whatever their lamport, by message. */
export const readHistories = Effect.fnUntraced(function*(
  tx: Transaction,
  wanted: ReadonlyArray<readonly [conversation: number, message: number, lamport: number]>,
  refs: ReadonlyArray<number>
) {
  const histories = new Map<number, Array<PastWrite>>()
  if (wanted.length === 0) return histories
  const rows = yield* tx.all<HistoryCells>(readHistory, JSON.stringify(wanted), JSON.stringify(refs))
  for (const cells of rows) {
    const stamp = stampOfCells(cells.lamport, cells.time, cells.source)!
    const write: PastWrite = {
      ref: cells.id,
      eventId: eventIdOf(cells.event),
      kind: cells.kind,
      stamp,
      base: baseOf(stampOfCells(cells.base_lamport, cells.base_time, cells.base_source), stamp),
      value: cells.value
    }
    const held = histories.get(cells.message)
    if (held === undefined) histories.set(cells.message, [write])
    else held.push(write)
  }
  return histories
})

interface HistoryCells {
  readonly id: number
  readonly message: number
  readonly kind: number
  readonly event: string
  readonly lamport: number
  readonly time: number
  readonly source: string
  readonly base_lamport: number | null
  readonly base_time: number | null
  readonly base_source: string | null
  readonly value: number
}

/** Equal values get one number within a message, so that contents need not leave the database to be compared. */
const readHistory = `
  select w.id, w.message, w.kind, hex(w.event) as event,
    w.lamport, w.time, (select text from word where id = w.source) as source,
    w.base_lamport, w.base_time, (select text from word where id = w.base_source) as base_source,
    dense_rank() over (partition by w.message order by coalesce(w.shared_role, (select text from word where id = w.role)), coalesce(w.shared, w.content)) as value
  from (
    select w.id from jsonb_each(?1) j
    join write w on w.conversation = j.value ->> 0 and w.message = j.value ->> 1 and w.lamport >= j.value ->> 2
    union select value from json_each(?2)
  ) v
  join write w on w.id = v.id`
