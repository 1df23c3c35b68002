import { existsSync, readFileSync } from "node:fs"
import type { Backend } from "./world.ts"

/** A telemetry event as backends list it. */
export interface Listed {
  readonly event_id: string
  readonly event_type: string
  readonly peer_id: string
  readonly metadata: Readonly<Record<string, unknown>>
}
export interface Page {
  readonly events: ReadonlyArray<Listed>
  readonly next_cursor: string | null
}
export interface Hour {
  readonly hour: string
  readonly event_type: string
  readonly peer_id: string
  readonly events: number
}
export interface Hours {
  readonly hours: ReadonlyArray<Hour>
  readonly next_cursor: string | null
}

const file = new URL("../../../shared/data/robust/aider_sample_analytics.jsonl", import.meta.url)
export const sampleMissing = !existsSync(file)

/** Another program's analytics as telemetry events; their types have spaces. */
export const sample = (prefix: string) =>
  readFileSync(file, "utf8").trim().split("\n").map((line, i) => {
    const { event, properties, time, user_id } = JSON.parse(line) as { readonly event: string; readonly properties: Readonly<Record<string, unknown>>; readonly time: number; readonly user_id: string }
    return { event_id: `${prefix}-${i}`, event_type: event, session_id: user_id, timestamp: new Date(time * 1000).toISOString(), source_backend: "local", metadata: properties }
  })
export type Sampled = ReturnType<typeof sample>[number]

/** How many events there are of each hour and type. */
export const tally = (events: ReadonlyArray<Sampled>): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { event_type, timestamp } of events) counts[`${timestamp.slice(0, 13)} ${event_type}`] = (counts[`${timestamp.slice(0, 13)} ${event_type}`] ?? 0) + 1
  return sorted(counts)
}

/** The same from a backend's roll-ups, of the types and hours of these events. */
export const total = async (backend: Backend, tenant: string | undefined, events: ReadonlyArray<Sampled>) => {
  const wanted = tally(events)
  const counts: Record<string, number> = {}
  for (const { event_type, events, hour } of await paged<Hours, Hour>(backend, `/telemetry/rollups?${tenant === undefined ? "" : `tenant=${tenant}`}`, ({ hours }) => hours)) {
    const cell = `${hour} ${event_type}`
    if (cell in wanted) counts[cell] = (counts[cell] ?? 0) + events
  }
  return sorted(counts)
}

/** How many events of a type the roll-ups count: one short answer, however many there are. */
export const counted = async (backend: Backend, tenant: string, type: string): Promise<number> => {
  const { json } = await backend.http<Hours>("GET", `/telemetry/rollups?tenant=${tenant}&type=${encodeURIComponent(type)}`)
  return json.hours.reduce((sum, { events }) => sum + events, 0)
}

const sorted = (counts: Readonly<Record<string, number>>) => Object.fromEntries(Object.entries(counts).sort(([a], [b]) => a < b ? -1 : 1))

/** All events, page by page. */
export const listed = (backend: Backend, path: string) => paged<Page, Listed>(backend, path, ({ events }) => events)

const paged = async <P extends { readonly next_cursor: string | null }, A>(backend: Backend, path: string, rows: (page: P) => ReadonlyArray<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for (let cursor: string | null = "";  cursor !== null;) {
    const { json, status, text }: { readonly json: P; readonly status: number; readonly text: string } = await backend.http<P>("GET", `${path}${cursor === "" ? "" : `&cursor=${cursor}`}`)
    if (status !== 200) throw new Error(`${path}: ${status} ${text}`)
    all.push(...rows(json))
    cursor = json.next_cursor
  }
  return all
}
