import { Effect, Option, Random } from "effect"
import type { ProblemKind } from "../Entry.ts"
import { Sqlite, type Transaction } from "../Sqlite.ts"

const tenantId = "(select id from tenant where name = ?1)"

/** The last valid commit record of an author: what its next one continues. */
export interface ChainHead {
  readonly author: string
  readonly seq: number
  readonly digest: string
  readonly journal: string
  readonly from: number
  readonly to: number
  readonly time: string
}

/** How much of an author lies in the log, as far as it was read. */
export interface Committed {
  readonly author: string
  readonly commits: number
  readonly events: number
  /** When the newest record was signed. */
  readonly time: string
}

/** By author: of all of a tenant's, or of all tenants'. */
export const committed = Effect.fnUntraced(function*(tenant: string | undefined) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<Committed & { readonly tenant: string }>(
    `select t.name as tenant, h.author, h.commits, h.events, h.time from chain_head h join tenant t on t.id = h.tenant
     ${tenant === undefined ? "where ?1 is null" : "where t.name = ?1"}`,
    tenant ?? null)
  return rows
})

export interface Problem {
  readonly seq: number
  readonly what: ProblemKind
  readonly detail: string
}

/** Problems listed at once at most. */
const problemsMax = 500

/** The newest problems first. */
export const problems = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly limit: number }) {
  const sqlite = yield* Sqlite
  return yield* sqlite.all<Problem>(
    `select seq, what, detail from problem where tenant = ${tenantId} order by id desc limit ?2`,
    options.tenant,
    Math.max(1, Math.min(options.limit, problemsMax))
  )
})

/** Where in the log something is wrong, by tenant: what any reader of it as it was then would find. */
export const problemPlaces = Effect.fnUntraced(function*(kinds: ReadonlyArray<ProblemKind>) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ tenant: string; seq: number }>(
    "select distinct t.name as tenant, p.seq from problem p join tenant t on t.id = p.tenant where p.journal = 0 and p.what in (select value from json_each(?))",
    JSON.stringify(kinds)
  )
  const places = new Map<string, Set<number>>()
  for (const { seq, tenant } of rows) places.set(tenant, (places.get(tenant) ?? new Set()).add(seq))
  return places as ReadonlyMap<string, ReadonlySet<number>>
})

/** How many problems of each kind there are; kinds without any are absent. */
export const problemCounts = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ what: ProblemKind; count: number }>(
    `select what, count(*) as count from problem where tenant = ${tenantId} group by what`,
    tenant
  )
  return new Map(rows.map(({ count, what }) => [what, count] as const))
})

/** Places in each tenant's log that do not hold; tenants without any are absent. */
export const damage = Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ tenant: string; places: number }>(
    "select t.name as tenant, count(*) as places from problem p join tenant t on t.id = p.tenant where p.journal = 0 and p.what <> 'parked' group by p.tenant")
  return new Map(rows.map(({ places, tenant }) => [tenant, places] as const))
})

export interface PeerPosition {
  readonly peer_id: string
  readonly log_seq: number
  readonly seen_at: string
}

/** How far the peers say their mirrors are, by peer. */
export const peerPositions = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  return yield* sqlite.all<PeerPosition>(
    `select peer as peer_id, seq as log_seq, seen_at from peer_position where tenant = ${tenantId} order by peer`,
    tenant
  )
})

/** The same for all tenants, where none is named. */
export const positionsOf = Effect.fnUntraced(function*(tenant: string | undefined) {
  if (tenant !== undefined) return yield* peerPositions(tenant)
  const sqlite = yield* Sqlite
  return yield* sqlite.all<PeerPosition>("select peer as peer_id, seq as log_seq, seen_at from peer_position")
})

/**
 * Keep what peers reported. A later report counts, a smaller position too: a mirror may have been made anew. On a full
 * disk it is let go: the next report comes within seconds.
 */
export const reportPositions = Effect.fnUntraced(function*(tenant: string, positions: ReadonlyArray<PeerPosition>) {
  yield* inTenant(tenant, (tx, id) =>
    Effect.sync(() => tx.put(
      `insert into peer_position (tenant, peer, seq, seen_at)
       select ?1, j.value ->> 0, j.value ->> 1, j.value ->> 2 from jsonb_each(?2) j where true
       on conflict do update set seq = excluded.seq, seen_at = excluded.seen_at where excluded.seen_at >= peer_position.seen_at`,
      id,
      JSON.stringify(positions.map(({ log_seq, peer_id, seen_at }) => [peer_id, log_seq, seen_at]))
    ))).pipe(Effect.catchIf((error) => error.reason === "disk full", () => Effect.void))
})

/**
 * The position all of these peers have passed: what lies at or below it is `everywhere`.
 * 0 when one of them has never reported, or there are none. The caller says which peers count (unrevoked, seen in 30 days).
 */
export const lowestPosition = (positions: ReadonlyArray<PeerPosition>, peers: ReadonlyArray<string>): number =>
  peers.length === 0
    ? 0
    : Math.min(...peers.map((peer) => positions.find(({ peer_id }) => peer_id === peer)?.log_seq ?? 0))

/** Keep a small JSON value under a name. It is gone after `reset`: keep only what can be found again. */
export const putNote = Effect.fnUntraced(function*(tenant: string, key: string, value: unknown) {
  yield* inTenant(tenant, (tx, id) =>
    tx.run("insert into note values (?, ?, ?) on conflict do update set value = excluded.value", id, key, JSON.stringify(value)))
})

export const note = Effect.fnUntraced(function*(tenant: string, key: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<{ value: string }>(`select value from note where tenant = ${tenantId} and key = ?2`, tenant, key)
  return Option.map(Option.fromUndefinedOr(row), ({ value }): unknown => JSON.parse(value))
})

/** A name for these tables as they are numbered now; another one after they were built anew. */
export const generation = Effect.fnUntraced(function*(tenant: string) {
  const held = yield* note(tenant, generationNote)
  if (Option.isSome(held)) return String(held.value)
  const made = `${yield* Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER)}`
  yield* putNote(tenant, generationNote, made)
  return made
})

const generationNote = "generation"

const inTenant = Effect.fnUntraced(function*<A, E>(tenant: string, body: (tx: Transaction, id: number) => Effect.Effect<A, E>) {
  const sqlite = yield* Sqlite
  return yield* sqlite.transaction(Effect.fnUntraced(function*(tx: Transaction) {
    yield* tx.run("insert into tenant (name, lamport) values (?, 0) on conflict do nothing", tenant)
    const [row] = yield* tx.all<{ id: number }>("select id from tenant where name = ?", tenant)
    return yield* body(tx, row!.id)
  }))
})
