import { Effect } from "effect"
import { type Opened, plain } from "../streams/Envelope.ts"
import { hexOf } from "./ledger.ts"
import type { NewEvent } from "./Projection.ts"
import { Sqlite, type Transaction } from "./Sqlite.ts"

/**
 * Events kept whole, because a fold keeps only what it needs of them: where a log loses what nobody but its own side
 * wrote, it is written again from here. Of each `what` one is kept: the last of those that replace one another (a
 * peer's renewals), the first of those that count once.
 */
export const keepTold = (tx: Transaction, { opened: { envelope, fact }, tenant }: NewEvent, what: string, isReplaced: boolean) => {
  const { id, lamport, source, subject, surface, time } = envelope
  const told: Told = { id, lamport, source, subject, surface, time, fact }
  return tx.run(isReplaced ? keepLast : keepFirst, tenant, what, lamport, hexOf(id), source, JSON.stringify(told))
}

const keep = `insert into told_once values (?, ?, ?, unhex(?), ?, ?) on conflict do update
  set lamport = excluded.lamport, id = excluded.id, source = excluded.source, event = excluded.event where excluded.lamport`
const keepFirst = `${keep} < told_once.lamport`
const keepLast = `${keep} > told_once.lamport`

/** An event as it was, without what a later version of its type added and this build does not know. */
type Told = Pick<Opened["envelope"], "id" | "source" | "time" | "lamport" | "subject" | "surface"> & { readonly fact: Opened["fact"] }

/** Those of one source that have no place in the log, in their order. */
export const unplacedTold = Effect.fnUntraced(function*(source: string) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ readonly tenant: string; readonly event: string }>(readUnplacedTold, source)
  return rows.map(({ event, tenant }): { readonly tenant: string; readonly opened: Opened } => {
    // this build wrote it: another build's tables have another shape and were dropped
    const { fact, ...about } = JSON.parse(event) as Told
    return { tenant, opened: { fact, envelope: plain(fact, about) } }
  })
})

const readUnplacedTold = `
  select t.name as tenant, o.event from told_once o
  join tenant t on t.id = o.tenant
  join event e on e.tenant = o.tenant and e.id = o.id
  where o.source = ?1 and e.seq is null and e.withheld is null
  order by t.name, o.lamport`
