import type { TelemetryEvent } from "../../streams/telemetry.ts"
import { isoTime, millisOf } from "../../streams/time.ts"

/** One event as it is counted. Sums are of whole numbers, so that no order of adding gives another result. */
export interface Counted {
  readonly peer: string
  readonly id: string
  readonly type: string
  /** `""`: none was named. */
  readonly model: string
  readonly source: string
  /** When it happened, as far as that can be believed. */
  readonly at: string
  /** `YYYY-MM-DDTHH`, UTC. */
  readonly hour: string
  readonly latencyMicros: number | null
  readonly tokens: number
  readonly costNanos: number
}

/** What is known of one hour, type, model and peer. `latencyEvents`: those that named a latency. */
export interface Hour {
  readonly hour: string
  readonly type: string
  readonly model: string
  readonly peer: string
  readonly events: number
  readonly latencyEvents: number
  readonly latencyMicros: number
  readonly latencyMicrosMax: number
  readonly tokens: number
  readonly costNanos: number
}

/** Events counted, by peer and id, and what they add up to. */
export interface State {
  readonly seen: ReadonlySet<string>
  readonly hours: ReadonlyMap<string, Hour>
}

export const empty: State = { seen: new Set(), hours: new Map() }

/** Take one event in. Pure and total; one of the same peer and id has no further effect. */
export const apply = (state: State, entry: { readonly peer: string; readonly stored: number; readonly event: TelemetryEvent }): State => {
  const one = countedOf(entry)
  const key = JSON.stringify([one.peer, one.id])
  if (state.seen.has(key)) return state
  const cell = JSON.stringify([one.hour, one.type, one.model, one.peer])
  const held = state.hours.get(cell)
  const hour: Hour = {
    hour: one.hour,
    type: one.type,
    model: one.model,
    peer: one.peer,
    events: (held?.events ?? 0) + 1,
    latencyEvents: (held?.latencyEvents ?? 0) + (one.latencyMicros === null ? 0 : 1),
    latencyMicros: sum(held?.latencyMicros, one.latencyMicros ?? 0),
    latencyMicrosMax: Math.max(held?.latencyMicrosMax ?? 0, one.latencyMicros ?? 0),
    tokens: sum(held?.tokens, one.tokens),
    costNanos: sum(held?.costNanos, one.costNanos)
  }
  return { seen: new Set(state.seen).add(key), hours: new Map(state.hours).set(cell, hour) }
}

/** What an event counts as. A figure nobody can mean (negative, or beyond all bounds) counts as the nearest one that can. */
export const countedOf = ({ event, peer, stored }: { readonly peer: string; readonly stored: number; readonly event: TelemetryEvent }): Counted => {
  const at = happenedAt(event.timestamp, stored)
  return {
    peer,
    id: event.event_id,
    type: event.event_type,
    model: event.model ?? "",
    source: event.source_backend,
    at,
    hour: at.slice(0, "2026-11-22T10".length),
    latencyMicros: event.latency_ms === undefined ? null : whole(event.latency_ms * 1e3, latencyMicrosMax),
    tokens: whole(event.tokens_used ?? 0, tokensMax),
    costNanos: whole(event.cost_usd ?? 0, costMax, 1e9)
  }
}

/** Sums stop here: the largest number that is exact in JSON, and far from where SQLite's own run over. */
export const sumMax = Number.MAX_SAFE_INTEGER

const sum = (held: number | undefined, more: number): number => Math.min((held ?? 0) + more, sumMax)

/** A day, in millionths of a second. */
const latencyMicrosMax = 86_400_000_000
const tokensMax = 1e9
/** Dollars one event may cost. */
const costMax = 1000

const whole = (value: number, max: number, unit = 1): number => Math.round(Math.min(Math.max(value, 0), max) * unit)

/** Without a zone a time says nothing that is the same everywhere. */
const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/

/** When an event happened: what it says of itself, but not later than it was stored; else when it was stored. */
const happenedAt = (timestamp: string, stored: number): string => {
  const said = instant.test(timestamp) ? millisOf(timestamp) : Number.NaN
  return isoTime(Number.isNaN(said) || said < 0 ? stored : Math.min(said, stored))
}
