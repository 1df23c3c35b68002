import { Effect } from "effect"
import { pageMax } from "../../streams/limits.ts"
import type { TelemetryEvent } from "../../streams/telemetry.ts"
import { readCursor, writeCursor } from "../conversations/queries.ts"
import { Sqlite, type Value } from "../Sqlite.ts"
import type { Hour } from "./apply.ts"

const tenantId = "(select id from tenant where name = ?1)"

/** Which events are wanted; an absent field wants all. */
export interface TelemetryWanted {
  /** `undefined`: everybody's. */
  readonly tenant: string | undefined
  /** The kind of backend (`local`, `ios_local`, …), or a peer id. */
  readonly source?: string | undefined
  readonly type?: string | undefined
  /** ISO time: what happened then or later. */
  readonly since?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface StoredHour extends Hour {
  readonly tenant: string
}

export interface StoredTelemetry {
  readonly tenant: string
  readonly seq: number
  readonly peer: string
  readonly stored: number
  readonly event: TelemetryEvent
}

/** A page of events in the order they were stored. `cursor` goes on behind it; `null`: there was no more. */
export const listTelemetry = Effect.fnUntraced(function*(wanted: TelemetryWanted) {
  const sqlite = yield* Sqlite
  const limit = Math.max(1, Math.min(wanted.limit, pageMax))
  const [seq, number] = placeOf(wanted.cursor)
  const rows = yield* sqlite.all<{ tenant: string; seq: number; number: number; peer: string; stored: number; event: string }>(
    // one text for each set of filters, so that the one on the type finds its index
    `select (select name from tenant where id = telemetry.tenant) as tenant, seq, number, peer, stored, event from telemetry
     where ${ofTenant(wanted.tenant)} and (seq, number) > (?2, ?3)
       ${wanted.source === undefined ? "and ?4 is null" : "and (source = ?4 or peer = ?4)"}
       ${wanted.type === undefined ? "and ?5 is null" : "and type = ?5"}
       ${wanted.since === undefined ? "and ?6 is null" : "and at >= ?6"}
     order by seq, number limit ?7`,
    orNull(wanted.tenant), seq, number, orNull(wanted.source), orNull(wanted.type), orNull(wanted.since), limit
  )
  const last = rows.at(-1)
  return {
    items: rows.map(({ event, peer, seq, stored, tenant }): StoredTelemetry => ({ tenant, seq, peer, stored, event: JSON.parse(event) as TelemetryEvent })),
    cursor: last === undefined || rows.length < limit ? null : writeCursor([last.seq, last.number])
  }
})

const ofTenant = (tenant: string | undefined): string => tenant === undefined ? "?1 is null" : `tenant = ${tenantId}`

const orNull = (value: string | undefined): Value => value ?? null

const placeOf = (cursor: string | undefined): readonly [number, number] => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && typeof read[0] === "number" && typeof read[1] === "number" ? [read[0], read[1]] : [-1, -1]
}

/** Roll-ups of the hours from `since` on (ISO time; its hour included), oldest first. */
export const telemetryHours = Effect.fnUntraced(function*(wanted: Omit<TelemetryWanted, "source"> & { readonly peer?: string | undefined; readonly model?: string | undefined }) {
  const sqlite = yield* Sqlite
  const limit = Math.max(1, Math.min(wanted.limit, pageMax))
  const after = cellOf(wanted.cursor)
  const since = wanted.since?.slice(0, "2026-11-22T10".length) ?? ""
  const rows = yield* sqlite.all<StoredHour>(
    // of everybody hour after hour by their index: only the rows of one hour are put in order at once
    `select t.name as tenant, hour, type, model, peer, events, latency_events as latencyEvents, latency as latencyMicros, latency_max as latencyMicrosMax, tokens, cost as costNanos
     from telemetry_hour h ${wanted.tenant === undefined ? "indexed by telemetry_hour_recent" : ""} cross join tenant t on t.id = h.tenant
     where ${ofTenant(wanted.tenant)} and hour >= ?2 and (hour, type, model, peer, t.name) > (?3, ?4, ?5, ?6, ?7)
       and (?8 is null or type = ?8) and (?9 is null or model = ?9) and (?10 is null or peer = ?10)
     order by hour, type, model, peer, t.name limit ?11`,
    orNull(wanted.tenant), since > after[0] ? since : after[0], ...after, orNull(wanted.type), orNull(wanted.model), orNull(wanted.peer), limit
  )
  const last = rows.at(-1)
  return { items: rows, cursor: last === undefined || rows.length < limit ? null : writeCursor([last.hour, last.type, last.model, last.peer, last.tenant]) }
})

/** Where a list of roll-ups goes on, as its order names it. */
type Cell = readonly [hour: string, type: string, model: string, peer: string, tenant: string]

const cellOf = (cursor: string | undefined): Cell => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && read.length === 5 && read.every((part) => typeof part === "string") ? read as [string, string, string, string, string] : ["", "", "", "", ""]
}
