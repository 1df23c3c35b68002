import { Clock, Duration, Effect, Schedule } from "effect"
import { retentionDays } from "../settings/queries.ts"
import { Sqlite } from "../Sqlite.ts"
import { dayMillis } from "./projection.ts"

/** As long as the hub's stream keeps an event, the tables do; a local backend's own stream is shorter. */
const eventsKeptDays = 30
const forgetEvery = Duration.hours(1)

/** Once an hour, for ever: what was kept long enough leaves the tables. */
export const expireTelemetry = (ask: <A, E>(query: Effect.Effect<A, E, Sqlite>) => Effect.Effect<A>): Effect.Effect<void> =>
  Clock.currentTimeMillis.pipe(
    Effect.flatMap((now) => ask(forgetTelemetry(now))),
    Effect.repeat(Schedule.spaced(forgetEvery)),
    Effect.asVoid)

/**
 * Events go 30 days after they were stored; what they added up to goes `retention_days` after the last of them was, and
 * not before the events. By the time of storing, as the log's retention: an event may say of itself that it is years old.
 * Streams keep events no longer, so nothing comes back.
 *
 * Costs what there is to remove, and a look at each tenant.
 */
export const forgetTelemetry = Effect.fnUntraced(function*(now: number) {
  const sqlite = yield* Sqlite
  const before = (yield* retentionDays).map(({ days, tenant }) => [tenant, Math.floor(now / dayMillis) - Math.max(days, eventsKeptDays)])
  yield* sqlite.transaction((tx) =>
    Effect.andThen(
      tx.run("delete from telemetry where stored < ?", now - eventsKeptDays * dayMillis),
      tx.run(forgetHours, JSON.stringify(before))))
})

const forgetHours = `
  delete from telemetry_hour where (tenant, hour, type, model, peer) in
    (select h.tenant, h.hour, h.type, h.model, h.peer from json_each(?) j
     join telemetry_hour h indexed by telemetry_hour_kept on h.tenant = j.value ->> 0 and h.day < j.value ->> 1)`
