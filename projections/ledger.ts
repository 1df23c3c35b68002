import { Effect } from "effect"
import type { EchoEntry, Entry, EventEntry, Shared } from "./Entry.ts"
import type { Batch, NewEvent, Placed } from "./Projection.ts"
import type { Transaction } from "./Sqlite.ts"
import { wordTable } from "./words.ts"

/**
 * What is known of every event, whatever it is about: its id (once), its place in the log, whether it stays here.
 *
 * `early` keeps what was said of an event before the event itself came, as happens when the log is read before
 * the journal. `counter` numbers events.
 */
export const ledgerTables = [
  "create table tenant (id integer primary key, name text not null unique, lamport integer not null) strict",
  "create table counter (name text primary key, value integer not null) strict, without rowid",
  `create table event (
     tenant integer not null, id blob not null, ref integer not null, seq integer, withheld text,
     primary key (tenant, id)
   ) strict, without rowid`,
  "create index event_withheld on event (tenant) where withheld is not null",
  // what changed since a place in the log; places rise, so entries go to its end
  "create index event_place on event (tenant, seq, ref) where seq is not null",
  `create table early (
     tenant integer not null, id blob not null, seq integer, withheld text, shared text,
     primary key (tenant, id)
   ) strict, without rowid`,
  // see toldOnce.ts
  `create table told_once (
     tenant integer not null, what text not null, lamport integer not null, id blob not null, source text not null, event text not null,
     primary key (tenant, what)
   ) strict, without rowid`,
  ...wordTable
]

export const hexOf = (id: string): string => id.slice(0, 8) + id.slice(9, 13) + id.slice(14, 18) + id.slice(19, 23) + id.slice(24)

export const eventIdOf = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`.toLowerCase()

/** Enter a batch: number what is new, place what is known, keep for later what is said of events not here yet. */
export const enter = Effect.fnUntraced(function*(tx: Transaction, entries: ReadonlyArray<Entry>) {
  const tenants = yield* internTenants(tx, entries)
  const sorted = sort(entries)
  const { known, offered } = yield* number(tx, tenants, sorted.events)
  raiseLamports(tx, offered)
  const doubles = insertEvents(tx, offered, known)
  const echoes = [...sorted.echoes, ...doubles.echoes]
  const placed = yield* place(tx, tenants, echoes)
  const withheld = yield* withhold(tx, tenants, sorted.withheld)
  const batch: Batch = {
    events: doubles.refs.size === 0 ? offered : offered.filter((event) => !doubles.refs.has(event.ref)),
    placed,
    withheld,
    commits: sorted.commits.map((entry) => ({ ...entry, tenantId: tenants.get(entry.tenant)! })),
    problems: sorted.problems.map((entry) => ({ ...entry, tenantId: tenants.get(entry.tenant)! })),
    telemetry: sorted.telemetry.map((entry) => ({ ...entry, tenantId: tenants.get(entry.tenant)! }))
  }
  return batch
})

/** Remove a tenant's events; its greatest lamport stays, so that clocks go on rising. */
export const forgetEvents = Effect.fnUntraced(function*(tx: Transaction, tenant: number) {
  tx.memory.clear()
  for (const table of ["event", "early", "word", "told_once"]) yield* tx.run(`delete from ${table} where tenant = ?`, tenant)
})

const sort = (entries: ReadonlyArray<Entry>) => {
  const of = <K extends Entry["kind"]>(kind: K) =>
    entries.filter((entry): entry is Extract<Entry, { readonly kind: K }> => entry.kind === kind)
  return { events: of("event"), echoes: of("echo"), withheld: of("withheld"), commits: of("commit"), problems: of("problem"), telemetry: of("telemetry") }
}

type Tenants = ReadonlyMap<string, number>

export const internTenants = Effect.fnUntraced(function*(tx: Transaction, entries: ReadonlyArray<Entry>) {
  const { memory } = tx
  const names = [...new Set(entries.map((entry) => entry.tenant))]
  const read = Effect.fnUntraced(function*() {
    const unknown = JSON.stringify(names.filter((name) => !memory.has(`tenant ${name}`)))
    if (unknown === "[]") return true
    for (const { id, name } of yield* tx.all<{ name: string; id: number }>(readTenants, unknown)) memory.set(`tenant ${name}`, id)
    return names.every((name) => memory.has(`tenant ${name}`))
  })
  if (!(yield* read())) {
    yield* tx.run("insert into tenant (name, lamport) select value, 0 from json_each(?) where true on conflict do nothing", JSON.stringify(names))
    yield* read()
  }
  return new Map(names.map((name) => [name, memory.get(`tenant ${name}`)!] as const)) as Tenants
})

const readTenants = "select t.name, t.id from json_each(?) j join tenant t on t.name = j.value"

/** Number the events, and add what was said of them before they came. `known`: places of those here already. */
const number = Effect.fnUntraced(function*(tx: Transaction, tenants: Tenants, events: ReadonlyArray<EventEntry>) {
  if (events.length === 0) return { offered: [], known: new Set<number>() }
  const ids = JSON.stringify(events.map((entry) => [tenants.get(entry.tenant), entry.opened.envelope.id]))
  const [found] = yield* tx.all<{ counted: number; early: number; known: string }>(readKnown, ids)
  const { counted, early, known } = found!
  const said = early === 1 ? yield* takeEarly(tx, ids) : undefined
  tx.put("insert into counter values ('event', ?) on conflict do update set value = value + excluded.value", events.length)
  const offered = events.map((entry, i): NewEvent => {
    const tenant = tenants.get(entry.tenant)!
    const early = said?.get(`${tenant}/${entry.opened.envelope.id}`)
    return {
      ref: counted + 1 + i,
      tenant,
      seq: entry.log === "log" ? entry.seq : early?.seq ?? null,
      withheld: early?.withheld ?? null,
      opened: entry.opened,
      shared: early?.shared === undefined ? entry.shared : { ...early.shared, ...entry.shared }
    }
  })
  return { offered, known: new Set(JSON.parse(known) as ReadonlyArray<number>) }
})

const readKnown = `
  select coalesce((select value from counter where name = 'event'), 0) as counted,
    exists (select 1 from jsonb_each(?1) j join early e on e.tenant = j.value ->> 0 and e.id = unhex(j.value ->> 1, '-')) as early,
    (select json_group_array(j.key) from jsonb_each(?1) j
     join event e on e.tenant = j.value ->> 0 and e.id = unhex(j.value ->> 1, '-')) as known`

interface Said {
  readonly seq: number | null
  readonly withheld: string | null
  readonly shared: Shared | undefined
}

const takeEarly = Effect.fnUntraced(function*(tx: Transaction, ids: string) {
  const rows = yield* tx.all<{ tenant: number; id: string; seq: number | null; withheld: string | null; shared: string | null }>(
    `select e.tenant, hex(e.id) as id, e.seq, e.withheld, e.shared from jsonb_each(?) j
     join early e on e.tenant = j.value ->> 0 and e.id = unhex(j.value ->> 1, '-')`,
    ids
  )
  if (rows.length > 0) {
    tx.put(
      `delete from early where (tenant, id) in (select j.value ->> 0, unhex(j.value ->> 1) from jsonb_each(?) j)`,
      JSON.stringify(rows.map((row) => [row.tenant, row.id]))
    )
  }
  const said = new Map<string, Said>()
  for (const row of rows) {
    said.set(`${row.tenant}/${eventIdOf(row.id)}`, {
      seq: row.seq,
      withheld: row.withheld,
      shared: row.shared === null ? undefined : JSON.parse(row.shared) as Shared
    })
  }
  return said
})

const raiseLamports = (tx: Transaction, events: ReadonlyArray<NewEvent>): void => {
  const greatest = new Map<number, number>()
  for (const { opened, tenant } of events) {
    if (opened.envelope.lamport > (greatest.get(tenant) ?? 0)) greatest.set(tenant, opened.envelope.lamport)
  }
  if (greatest.size > 0) tx.put(raise, JSON.stringify([...greatest]))
}

const raise = `
  update tenant set lamport = j.value ->> 1 from jsonb_each(?) j
  where tenant.id = j.value ->> 0 and tenant.lamport < j.value ->> 1`

/** Insert; an id that is there already, or twice in the batch, keeps its first event and may gain a place. */
const insertEvents = (tx: Transaction, events: ReadonlyArray<NewEvent>, known: ReadonlySet<number>) => {
  const echoes: Array<Echo> = []
  const refs = new Set<number>()
  const seen = new Map<number, Set<string>>()
  const fresh = events.filter((event, i) => {
    const { id } = event.opened.envelope
    let ids = seen.get(event.tenant)
    if (ids === undefined) seen.set(event.tenant, ids = new Set())
    if (!known.has(i) && ids.size < ids.add(id).size) return true
    refs.add(event.ref)
    echoes.push({ tenant: event.tenant, eventId: id, seq: event.seq, shared: event.shared })
    return false
  })
  if (fresh.length > 0) tx.put(addEvents, JSON.stringify(fresh.map((event) => [event.tenant, hexOf(event.opened.envelope.id), event.ref, event.seq, event.withheld])))
  return { echoes, refs }
}

const addEvents = `
  insert into event (tenant, id, ref, seq, withheld)
  select j.value ->> 0, unhex(j.value ->> 1), j.value ->> 2, j.value ->> 3, j.value ->> 4 from jsonb_each(?) j`

interface Echo {
  readonly tenant: number
  readonly eventId: string
  readonly seq: number | null
  readonly shared: Shared | undefined
}

const place = Effect.fnUntraced(function*(tx: Transaction, tenants: Tenants, entries: ReadonlyArray<EchoEntry | Echo>) {
  if (entries.length === 0) return []
  // the smallest place of each, so that the order within a batch says nothing
  const byId = new Map<string, Echo>()
  for (const entry of entries) {
    const tenant = typeof entry.tenant === "number" ? entry.tenant : tenants.get(entry.tenant)!
    const key = `${tenant}/${entry.eventId}`
    const held = byId.get(key)
    const seq = held?.seq === null || held === undefined ? entry.seq : Math.min(held.seq, entry.seq ?? held.seq)
    byId.set(key, { tenant, eventId: entry.eventId, seq, shared: held?.shared ?? entry.shared })
  }
  const echoes = [...byId.values()]
  const located = echoes.filter((echo) => echo.seq !== null)
  if (located.length > 0) {
    const rows = JSON.stringify(located.map((echo) => [echo.tenant, hexOf(echo.eventId), echo.seq]))
    const unknown = yield* unknownOf(tx, located)
    if (unknown.length < located.length) tx.put(placeEvents, rows)
    if (unknown.length > 0) keepEarly(tx, unknown)
  }
  const told = echoes.filter((echo) => echo.shared !== undefined)
  if (told.length === 0) return []
  const known = yield* refsOf(tx, told)
  return known.map(({ at, ref }): Placed => ({ ref, tenant: told[at]!.tenant, shared: told[at]!.shared! }))
})

export const placeEvents = `
  update event set seq = j.value ->> 2 from jsonb_each(?) j
  where event.tenant = j.value ->> 0 and event.id = unhex(j.value ->> 1) and (event.seq is null or event.seq > j.value ->> 2)`

const refsOf = (tx: Transaction, events: ReadonlyArray<{ readonly tenant: number; readonly eventId: string }>) =>
  tx.all<{ at: number; ref: number }>(
    `select j.key as at, e.ref from jsonb_each(?) j
     join event e on e.tenant = j.value ->> 0 and e.id = unhex(j.value ->> 1)`,
    JSON.stringify(events.map((event) => [event.tenant, hexOf(event.eventId)]))
  )

const unknownOf = (tx: Transaction, echoes: ReadonlyArray<Echo>) =>
  Effect.map(
    tx.all<{ at: number }>(readUnknown, JSON.stringify(echoes.map((echo) => [echo.tenant, hexOf(echo.eventId)]))),
    (rows) => rows.map(({ at }) => echoes[at]!)
  )

const readUnknown = `
  select j.key as at from jsonb_each(?) j
  where not exists (select 1 from event e where e.tenant = j.value ->> 0 and e.id = unhex(j.value ->> 1))`

const keepEarly = (tx: Transaction, echoes: ReadonlyArray<Echo>): void => {
  const rows = echoes.map((echo) => [echo.tenant, hexOf(echo.eventId), echo.seq, null, echo.shared === undefined ? null : JSON.stringify(echo.shared)])
  tx.put(addEarly, JSON.stringify(rows))
}

const addEarly = `
  insert into early (tenant, id, seq, withheld, shared)
  select j.value ->> 0, unhex(j.value ->> 1), j.value ->> 2, j.value ->> 3, j.value ->> 4 from jsonb_each(?) j where true
  on conflict do update set
    seq = min(coalesce(seq, excluded.seq), coalesce(excluded.seq, seq)),
    withheld = coalesce(withheld, excluded.withheld), shared = coalesce(shared, excluded.shared)`

const withhold = Effect.fnUntraced(function*(
  tx: Transaction,
  tenants: Tenants,
  entries: ReadonlyArray<Extract<Entry, { readonly kind: "withheld" }>>
) {
  const events = entries.flatMap(({ eventIds, tenant, why }) => eventIds.map((eventId) => ({ tenant: tenants.get(tenant)!, eventId, why })))
  if (events.length === 0) return []
  const known = yield* refsOf(tx, events)
  const at = new Set(known.map((row) => row.at))
  const rows = events.map((event) => [event.tenant, hexOf(event.eventId), event.why] as const)
  markWithheld(tx, rows.filter((_, i) => at.has(i)))
  const unknown = rows.filter((_, i) => !at.has(i)).map(([tenant, id, why]) => [tenant, id, null, why, null])
  if (unknown.length > 0) tx.put(addEarly, JSON.stringify(unknown))
  return known.map(({ ref }) => ref)
})

const markWithheld = (tx: Transaction, rows: ReadonlyArray<readonly [number, string, string]>): void =>
  tx.put(
    `update event set withheld = coalesce(withheld, j.value ->> 2) from jsonb_each(?) j
     where event.tenant = j.value ->> 0 and event.id = unhex(j.value ->> 1)`,
    JSON.stringify(rows)
  )
