import { Effect } from "effect"
import type { Settings } from "../../streams/events/settings.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { Sqlite } from "../Sqlite.ts"
import { effective, empty, greatestStamp, type State } from "./apply.ts"

/** The settings in force, and the place in the log where they last changed (0: never, or not yet in the log). */
export interface InForce {
  readonly settings: Settings
  readonly seq: number
}

/** Settings of a tenant; the defaults where nothing was ever changed. */
export const settingsOf = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<{ state: string; seq: number | null }>(readSettings, tenant)
  const inForce: InForce = {
    settings: effective(row === undefined ? empty : JSON.parse(row.state) as State),
    seq: row?.seq ?? 0
  }
  return inForce
})

/** For how many days each tenant has things kept, tenants as numbers; by default those that never said. */
export const retentionDays = Effect.gen(function*() {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ tenant: number; state: string | null }>("select t.id as tenant, s.state from tenant t left join settings s on s.tenant = t.id")
  return rows.map(({ state, tenant }) => ({ tenant, days: effective(state === null ? empty : JSON.parse(state) as State).retention_days }))
})

/** The newest change of any setting, which a further change names as the one it knows; `undefined`: there was none. */
export const latestChange = Effect.fnUntraced(function*(tenant: string) {
  const sqlite = yield* Sqlite
  const [row] = yield* sqlite.all<{ state: string }>(readSettings, tenant)
  const stamp: Stamp | undefined = row === undefined ? undefined : greatestStamp(JSON.parse(row.state) as State)
  return stamp
})

const readSettings = `
  select s.state, (select max(e.seq) from settings_event x join event e on e.tenant = x.tenant and e.id = x.id
    where x.tenant = s.tenant) as seq
  from settings s where s.tenant = (select id from tenant where name = ?)`
