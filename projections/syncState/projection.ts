import { Effect } from "effect"
import type { Projection } from "../Projection.ts"

/** How far each author's chain has come, what could not be taken, and small facts that may be lost and found again. */
export const syncState: Projection = {
  name: "syncState",
  shape: 4,
  ddl: [
    `create table chain_head (
       tenant integer not null, author text not null, seq integer not null, digest text not null, journal text not null,
       first integer not null, last integer not null, time text not null, commits integer not null, events integer not null,
       primary key (tenant, author)
     ) strict, without rowid`,
    `create table problem (
       id integer primary key, tenant integer not null, seq integer not null, what text not null, detail text not null,
       journal integer not null            -- 1: seq is a place in the journal
     ) strict`,
    "create index problem_kind on problem (tenant, what)",
    // a log that is read again tells the same again
    "create unique index problem_once on problem (tenant, seq, what, detail)",
    `create table peer_position (
       tenant integer not null, peer text not null, seq integer not null, seen_at text not null, primary key (tenant, peer)
     ) strict, without rowid`,
    "create table note (tenant integer not null, key text not null, value text not null, primary key (tenant, key)) strict, without rowid"
  ],
  absorb: (tx, batch) => Effect.sync(() => {
    if (batch.commits.length > 0) {
      const rows = batch.commits.map((c) => [c.tenantId, c.author, c.seq, c.digest, c.journal, c.from, c.to, c.time, c.events])
      tx.put(putHeads, JSON.stringify(rows))
    }
    if (batch.problems.length > 0) {
      const rows = batch.problems.map((p) => [p.tenantId, p.seq, p.what, p.detail, p.log === "journal" ? 1 : 0])
      tx.put(addProblems, JSON.stringify(rows))
    }
  }),
  forget: Effect.fnUntraced(function*(tx, tenant) {
    for (const table of ["chain_head", "problem", "peer_position", "note"]) yield* tx.run(`delete from ${table} where tenant = ?`, tenant)
  })
}

const putHeads = `
  insert into chain_head (tenant, author, seq, digest, journal, first, last, time, commits, events)
  select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4, j.value ->> 5, j.value ->> 6, j.value ->> 7, 1, j.value ->> 8
  from jsonb_each(?) j where true
  on conflict do update set seq = excluded.seq, digest = excluded.digest, journal = excluded.journal,
    first = excluded.first, last = excluded.last, time = excluded.time, commits = chain_head.commits + 1, events = chain_head.events + excluded.events
  where excluded.seq > chain_head.seq`

const addProblems = `
  insert into problem (tenant, seq, what, detail, journal)
  select j.value ->> 0, j.value ->> 1, j.value ->> 2, j.value ->> 3, j.value ->> 4 from jsonb_each(?) j where true on conflict do nothing`
