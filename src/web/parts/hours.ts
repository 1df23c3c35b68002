import type { TelemetryHour } from "../../sdk/typescript/owner/index.ts"
import type { Bar } from "./Bars.tsx"

const hourMillis = 3_600_000

/** A span a person looks back over, and how wide one bar of it is, hours. */
export interface Span {
  readonly name: string
  readonly hours: number
  readonly step: number
}
export const spans: ReadonlyArray<Span> = [
  { name: "24 hours", hours: 24, step: 1 },
  { name: "7 days", hours: 168, step: 6 },
  { name: "30 days", hours: 720, step: 24 }
]

const millisOfHour = (hour: string): number => Date.parse(`${hour}:00:00Z`)

/** The first hour of a span that ends now. */
export const sinceOf = ({ hours }: Span, now: number): number => (Math.floor(now / hourMillis) - hours + 1) * hourMillis

const clock = new Intl.DateTimeFormat("en", { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", hour: "2-digit", hourCycle: "h23" })
const wholeDay = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" })

/** One bar for each step of a span, empty ones too. */
export const barsOf = (rows: ReadonlyArray<TelemetryHour>, span: Span, now: number, valueOf: (row: TelemetryHour) => number): ReadonlyArray<Bar> =>
  barsOver(rows.map((row) => [row.hour, valueOf(row)] as const), span, now)

/** The same from hours and their values. */
export const barsOver = (rows: ReadonlyArray<readonly [hour: string, value: number]>, span: Span, now: number): ReadonlyArray<Bar> => {
  const since = sinceOf(span, now)
  const format = span.step === 1 ? clock : span.step < 24 ? day : wholeDay
  const values = Array.from({ length: span.hours / span.step }, () => 0)
  for (const [hour, value] of rows) {
    const at = Math.floor((millisOfHour(hour) - since) / hourMillis / span.step)
    if (at >= 0 && at < values.length) values[at]! += value
  }
  return values.map((value, at) => ({ label: format.format(since + at * span.step * hourMillis), value }))
}

/** Means over the steps of a span, from hours, their means, and how much each counts. A step without any is 0. */
export const meansOver = (rows: ReadonlyArray<readonly [hour: string, mean: number, weight: number]>, span: Span, now: number): ReadonlyArray<Bar> => {
  const weights = barsOver(rows.map(([hour, , weight]) => [hour, weight] as const), span, now)
  return barsOver(rows.map(([hour, mean, weight]) => [hour, mean * weight] as const), span, now)
    .map(({ label, value }, at) => ({ label, value: value === 0 ? 0 : value / weights[at]!.value }))
}

export interface Group {
  readonly name: string
  readonly events: number
  readonly tokens: number
  readonly cost: number
  /** Mean over the events that have one, milliseconds. */
  readonly latency: number | null
}

/** Figures added up by what `nameOf` says, the most frequent first. */
export const groupsOf = (rows: ReadonlyArray<TelemetryHour>, nameOf: (row: TelemetryHour) => string | null): ReadonlyArray<Group> => {
  const groups = new Map<string, { events: number; tokens: number; cost: number; slow: number; timed: number }>()
  for (const row of rows) {
    const name = nameOf(row)
    if (name === null) continue
    const held = groups.get(name) ?? { events: 0, tokens: 0, cost: 0, slow: 0, timed: 0 }
    const timed = row.latency_ms_mean === null ? 0 : row.events
    groups.set(name, { events: held.events + row.events, tokens: held.tokens + row.tokens_used, cost: held.cost + row.cost_usd, slow: held.slow + (row.latency_ms_mean ?? 0) * timed, timed: held.timed + timed })
  }
  return [...groups].map(([name, { cost, events, slow, timed, tokens }]) => ({ name, events, tokens, cost, latency: timed === 0 ? null : slow / timed })).sort((a, b) => b.events - a.events)
}

const dollars = new Intl.NumberFormat("en", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: 4 })
export const costOf = (usd: number): string => dollars.format(usd)
export const countOf = (n: number): string => Math.round(n).toLocaleString("en")
export const millisOf = (millis: number | null): string => millis === null ? "–" : millis < 1000 ? `${Math.round(millis)} ms` : `${(millis / 1000).toFixed(1)} s`
