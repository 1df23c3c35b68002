import { existsSync, readFileSync } from "node:fs"
import { gunzipSync } from "node:zlib"
import { type Opened, stampOf } from "../../../streams/Envelope.ts"
import { compare, type Stamp } from "../../../streams/Stamp.ts"
import { event, sourceOf } from "./rig.ts"

const folder = new URL("../../../../shared/data/lww/", import.meta.url)
export const missing = !existsSync(folder)

/** One write of the recording. `parents`: the last writes its author had seen, by `i`. */
export interface Row {
  readonly i: number
  readonly agent: number
  readonly parents: ReadonlyArray<number>
  readonly lamport: number
  readonly time: string
  readonly key: string
}

export const schedule = (): ReadonlyArray<Row> =>
  gunzipSync(readFileSync(new URL("clownschool_schedule.jsonl.gz", folder))).toString().trim().split("\n").map((line) => JSON.parse(line) as Row)

export const winners = () => JSON.parse(readFileSync(new URL("clownschool_expected_winners.json", folder), "utf8")) as Record<string, { readonly i: number }>

export interface Recorded {
  readonly opened: Opened
  /** By agent that wrote the message before: its last write to it that this one's author had seen, by `i`. */
  readonly replaces: ReadonlyArray<number>
}

/** Each write names as its base what its author had seen of the message: the greatest write among its ancestors. */
export const eventsOf = (schedule: ReadonlyArray<Row>): ReadonlyArray<Recorded> => {
  const seenBy: Array<ReadonlyArray<number>> = []
  const written: ReadonlyArray<Map<string, Array<{ readonly i: number; readonly stamp: Stamp }>>> = [new Map(), new Map(), new Map()]
  return schedule.map((row) => {
    // per agent, the last of its writes among the ancestors
    const seen = [0, 1, 2].map((agent) => Math.max(-1, ...row.parents.map((parent) => schedule[parent]!.agent === agent ? Math.max(parent, seenBy[parent]![agent]!) : seenBy[parent]![agent]!)))
    seenBy.push(seen)
    const replaced = seen.flatMap((last, agent) => written[agent]!.get(row.key)?.findLast(({ i }) => i <= last) ?? [])
    const base = replaced.map(({ stamp }) => stamp).sort(compare).at(-1)
    const data = { message_id: row.key, role: "user", content: `write ${row.i}`, timestamp: row.time }
    const opened = event(
      base === undefined ? { type: "message.appended", data } : { type: "message.edited", data: { ...data, base } },
      { id: row.i, source: sourceOf(row.agent), lamport: row.lamport, time: new Date(row.time).toISOString(), subject: "clownschool" }
    )
    written[row.agent]!.set(row.key, [...written[row.agent]!.get(row.key) ?? [], { i: row.i, stamp: stampOf(opened.envelope) }])
    return { opened, replaces: replaced.map(({ i }) => i) }
  })
}
