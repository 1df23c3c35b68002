import type { Page, TelemetryHour } from "../../sdk/typescript/owner/index.ts"
import { isoTime } from "../../sdk/typescript/platform.ts"

/** Answers read at most: a month of a busy person. */
const pagesMax = 40

interface Source {
  readonly telemetryHours: (since: string, cursor?: string) => Promise<Page<TelemetryHour>>
}

/** All hours since a moment, milliseconds since 1970. */
export const readHours = async (source: Source, since: number): Promise<ReadonlyArray<TelemetryHour>> => {
  const rows: Array<TelemetryHour> = []
  let cursor: string | undefined
  for (let pages = 0; pages < pagesMax; pages++) {
    const { items, next } = await source.telemetryHours(isoTime(since), cursor)
    rows.push(...items)
    if (next === null) break
    cursor = next
  }
  return rows
}
