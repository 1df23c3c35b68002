import { Effect } from "effect"
import { stampOf } from "../../streams/Envelope.ts"
import { hexOf } from "../ledger.ts"
import type { Projection } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import { keepTold } from "../toldOnce.ts"
import { apply, empty, type State } from "./apply.ts"

/** What may leave a machine. The table keeps the fold's own state: it is small, and changes are rare. */
export const settings: Projection = {
  name: "settings",
  shape: 1,
  ddl: [
    "create table settings (tenant integer primary key, state text not null) strict",
    // which events changed them; the ledger knows where these are in the log
    "create table settings_event (tenant integer not null, id blob not null, primary key (tenant, id)) strict, without rowid"
  ],
  absorb: Effect.fnUntraced(function*(tx, batch) {
    for (const event of batch.events) {
      const { opened: { envelope, fact }, tenant } = event
      if (fact.type !== "settings.changed") continue
      yield* keepTold(tx, event, `${fact.type} ${envelope.id}`, false)
      const state = apply(yield* readState(tx, tenant), { data: fact.data, stamp: stampOf(envelope) })
      yield* tx.run("insert into settings values (?, ?) on conflict do update set state = excluded.state", tenant, JSON.stringify(state))
      yield* tx.run("insert into settings_event values (?, unhex(?)) on conflict do nothing", tenant, hexOf(envelope.id))
    }
  }),
  forget: Effect.fnUntraced(function*(tx, tenant) {
    yield* tx.run("delete from settings where tenant = ?", tenant)
    yield* tx.run("delete from settings_event where tenant = ?", tenant)
  })
}

const readState = (tx: Transaction, tenant: number) =>
  Effect.map(
    tx.all<{ state: string }>("select state from settings where tenant = ?", tenant),
    // this build wrote it: another build's tables have another shape and were dropped
    ([row]) => row === undefined ? empty : JSON.parse(row.state) as State
  )
