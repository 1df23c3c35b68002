import { Duration, Effect } from "effect"
import type { Projection } from "../Projection.ts"
import { countedOf, sumMax } from "./apply.ts"

/**
 * Telemetry: each event once, by (peer, event id), and what they add up to per hour, type, model and peer.
 *
 * `number` counts up in this file: it tells what a batch added. `seq` is the stream's, the same in every process, and
 * what pages go by.
 */
export const telemetry: Projection = {
  name: "telemetry",
  shape: 3,
  ddl: [
    `create table telemetry (
       number integer primary key autoincrement, tenant integer not null, seq integer not null, peer text not null, id text not null,
       type text not null, model text not null, source text not null, at text not null, stored integer not null, hour text not null,
       latency integer, tokens integer not null, cost integer not null, event text not null
     ) strict`,
    "create unique index telemetry_once on telemetry (tenant, peer, id)",
    "create index telemetry_page on telemetry (tenant, seq, number)",
    // the same of all tenants
    "create index telemetry_every on telemetry (seq, number)",
    "create index telemetry_type on telemetry (tenant, type, seq, number)",
    "create index telemetry_stored on telemetry (stored)",
    `create table telemetry_hour (
       tenant integer not null, hour text not null, type text not null, model text not null, peer text not null, events integer not null,
       latency_events integer not null, latency integer not null, latency_max integer not null, tokens integer not null, cost integer not null,
       day integer not null, -- since 1970, on which the last of its events was stored
       primary key (tenant, hour, type, model, peer)
     ) strict, without rowid`,
    // what retention removes; written once a day and roll-up
    "create index telemetry_hour_kept on telemetry_hour (tenant, day)",
    // what the dashboard adds up: the last hours of all tenants
    "create index telemetry_hour_recent on telemetry_hour (hour)"
  ],
  absorb: Effect.fnUntraced(function*(tx, batch) {
    if (batch.telemetry.length === 0) return
    const rows = batch.telemetry.map((entry) => {
      const one = countedOf(entry)
      return [entry.tenantId, entry.seq, one.peer, one.id, one.type, one.model, one.source, one.at, entry.stored, one.hour, one.latencyMicros, one.tokens, one.costNanos, JSON.stringify(entry.event)]
    })
    const [last] = yield* tx.all<{ number: number }>("select coalesce(max(seq), 0) as number from sqlite_sequence where name = 'telemetry'")
    yield* tx.run(addEvents, JSON.stringify(rows))
    yield* tx.run(addHours, last?.number ?? 0)
  }),
  forget: Effect.fnUntraced(function*(tx, tenant) {
    yield* tx.run("delete from telemetry where tenant = ?", tenant)
    yield* tx.run("delete from telemetry_hour where tenant = ?", tenant)
  })
}

export const dayMillis = Duration.toMillis(Duration.days(1))

const addEvents = `
  insert into telemetry (tenant, seq, peer, id, type, model, source, at, stored, hour, latency, tokens, cost, event)
  select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7,
    j.value ->> 8, j.value ->> 9, j.value ->> 10, j.value ->> 11, j.value ->> 12, j.value ->> 13
  from json_each(?) j where true on conflict (tenant, peer, id) do nothing`

const addHours = `
  insert into telemetry_hour (tenant, hour, type, model, peer, events, latency_events, latency, latency_max, tokens, cost, day)
  select tenant, hour, type, model, peer, count(*), count(latency), coalesce(sum(latency), 0), coalesce(max(latency), 0), sum(tokens), sum(cost), max(stored) / ${dayMillis}
  from telemetry where number > ? group by tenant, hour, type, model, peer
  on conflict do update set events = events + excluded.events, latency_events = latency_events + excluded.latency_events,
    latency = min(latency + excluded.latency, ${sumMax}), latency_max = max(latency_max, excluded.latency_max),
    tokens = min(tokens + excluded.tokens, ${sumMax}), cost = min(cost + excluded.cost, ${sumMax}),
    day = max(day, excluded.day)`
