import { Effect } from "effect"
import { pageMax } from "../../streams/limits.ts"
import type { TelemetryEvent } from "../../streams/telemetry.ts"
import { readCursor, writeCursor } from "../conversations/queries.ts"
import { Sqlite, type Value } from "../Sqlite.ts"
import type { Hour } from "./apply.ts"

const tenantId = "(select id from tenant where name = ?1)"

/** Which events are wanted; an absent field wants all. */
export interface TelemetryWanted {
  readonly tenant: string
  /** The kind of backend (`local`, `ios_local`, …), or a peer id. */
  readonly source?: string | undefined
  readonly type?: string | undefined
  /** ISO time: what happened then or later. */
  readonly since?: string | undefined
  readonly limit: number
  readonly cursor?: string | undefined
}

export interface StoredTelemetry {
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
  const rows = yield* sqlite.all<{ seq: number; number: number; peer: string; stored: number; event: string }>(
    // one text for each set of filters, so that the one on the type finds its index
    `select seq, number, peer, stored, event from telemetry
     where tenant = ${tenantId} and (seq, number) > (?2, ?3)
       ${wanted.source === undefined ? "and ?4 is null" : "and (source = ?4 or peer = ?4)"}
       ${wanted.type === undefined ? "and ?5 is null" : "and type = ?5"}
       ${wanted.since === undefined ? "and ?6 is null" : "and at >= ?6"}
     order by seq, number limit ?7`,
    wanted.tenant, seq, number, orNull(wanted.source), orNull(wanted.type), orNull(wanted.since), limit
  )
  const last = rows.at(-1)
  return {
    items: rows.map(({ event, peer, seq, stored }): StoredTelemetry => ({ seq, peer, stored, event: JSON.parse(event) as TelemetryEvent })),
    cursor: last === undefined || rows.length < limit ? null : writeCursor([last.seq, last.number])
  }
})

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
  const rows = yield* sqlite.all<Hour>(
    `select hour, type, model, peer, events, latency_events as latencyEvents, latency as latencyMicros, latency_max as latencyMicrosMax, tokens, cost as costNanos
     from telemetry_hour
     where tenant = ${tenantId} and (hour, type, model, peer) > (?2, ?3, ?4, ?5)
       and (?6 is null or type = ?6) and (?7 is null or model = ?7) and (?8 is null or peer = ?8) and (?9 is null or hour >= ?9)
     order by hour, type, model, peer limit ?10`,
    wanted.tenant, ...after, orNull(wanted.type), orNull(wanted.model), orNull(wanted.peer), orNull(wanted.since?.slice(0, "2026-11-22T10".length)), limit
  )
  const last = rows.at(-1)
  return { items: rows, cursor: last === undefined || rows.length < limit ? null : writeCursor([last.hour, last.type, last.model, last.peer]) }
})

const cellOf = (cursor: string | undefined): readonly [string, string, string, string] => {
  const read = cursor === undefined ? undefined : readCursor(cursor)
  return Array.isArray(read) && read.length === 4 && read.every((part) => typeof part === "string") ? read as [string, string, string, string] : ["", "", "", ""]
}

/** Events go after their time; what they added up to stays. Nobody sends them again: streams keep them shorter. */
export const forgetTelemetry = Effect.fnUntraced(function*(storedBefore: number) {
  const sqlite = yield* Sqlite
  return yield* sqlite.transaction((tx) => tx.run("delete from telemetry where stored < ?", storedBefore))
})
