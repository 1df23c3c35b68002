import { Clock, Duration, Effect, Option, Result, Schema, Stream, SubscriptionRef } from "effect"
import { damage } from "../../projections/syncState/queries.ts"
import { type Alert, AlertState, type Fact, noAlerts } from "../../streams/alerts.ts"
import { subjects } from "../../streams/subjects.ts"
import { millisOf } from "../../streams/time.ts"
import type { EventLog } from "../nats/EventLog.ts"
import { type KeyValue, KeyValueUnavailable } from "../nats/keyValue.ts"
import { type AlertStore, makeAlerting } from "../observing/alerting.ts"
import type { AlertSettings } from "../observing/settings.ts"
import type { Base } from "./Base.ts"
import { hostedObserving } from "./observing.ts"

/** Open alerts and silences, one for all hosted processes; and who judges, forgotten soon after that process is gone. */
export const alertBucket = { bucket: "ALERTING" } as const
export const watcherBucket = { bucket: "WATCHER", ageMax: Duration.seconds(20) } as const

/** A rate of fewer tries says nothing. */
const triesMin = 10
/** A machine that was last seen longer ago is switched off, and no matter for the operator. */
const missedFor = Duration.hours(24)

/** What alerts ask of a bucket. */
export type AlertBucket = Pick<KeyValue, "get" | "create" | "update" | "delete" | "watch">

/** A bucket that is made when it is first needed: a hub that is slow to make it holds up no start. */
export const whenNeeded = (bucket: string, open: Effect.Effect<KeyValue, { readonly _tag: string }>): AlertBucket => {
  let held: KeyValue | undefined
  const there = Effect.suspend(() => held === undefined
    ? open.pipe(
      Effect.tap((made) => Effect.sync(() => { held = made })),
      Effect.mapError((cause) => new KeyValueUnavailable({ bucket, cause })))
    : Effect.succeed(held))
  return {
    get: (name) => Effect.flatMap(there, (made) => made.get(name)),
    create: (name, value) => Effect.flatMap(there, (made) => made.create(name, value)),
    update: (name, value, revision) => Effect.flatMap(there, (made) => made.update(name, value, revision)),
    delete: (name) => Effect.flatMap(there, (made) => made.delete(name)),
    watch: Stream.unwrap(Effect.map(there, ({ watch }) => watch))
  }
}

const key = "state"
const StateJson = Schema.fromJsonString(AlertState)
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Read before it is written, and written only if nobody else did meanwhile. */
export const keyValueStore = (bucket: AlertBucket): AlertStore => {
  let revision = 0
  return {
    load: bucket.get(key).pipe(
      Effect.map(Option.match({
        onNone: () => {
          revision = 0
          return noAlerts
        },
        onSome: (entry) => {
          revision = entry.revision
          const read = Schema.decodeResult(StateJson)(decoder.decode(entry.value))
          return Result.isSuccess(read) ? read.success : noAlerts
        }
      })),
      Effect.orElseSucceed(() => noAlerts)),
    save: (state) =>
      Effect.suspend(() => {
        const value = encoder.encode(JSON.stringify(state))
        return revision === 0 ? bucket.create(key, value) : bucket.update(key, value, revision)
      }).pipe(Effect.match({
        onFailure: () => false,
        onSuccess: (at) => {
          revision = at
          return true
        }
      }))
  }
}

/**
 * Which of several hosted processes judges: whoever holds the key, for as long as it renews it. The process with the
 * hub of its own, which alone sees the hub's disk, takes it from the others.
 */
export const makeWatch = (bucket: AlertBucket, options: { readonly name: string; readonly first: boolean }): Effect.Effect<boolean> => {
  const mine = encoder.encode(options.name)
  let held: number | undefined
  const take = Effect.gen(function*() {
    if (options.first) yield* bucket.delete(key)
    return yield* bucket.create(key, mine)
  })
  return Effect.suspend(() => held === undefined ? take : bucket.update(key, mine, held)).pipe(
    Effect.match({
      onFailure: () => {
        held = undefined
        return false
      },
      onSuccess: (revision) => {
        held = revision
        return true
      }
    }))
}

type AlertingBase = Parameters<typeof hostedObserving>[0] & Pick<Base, "disk">

const factsOf = Effect.fnUntraced(function*(base: AlertingBase) {
  const now = yield* Clock.currentTimeMillis
  const facts: Array<Fact> = []
  const freeBytes = SubscriptionRef.getUnsafe(base.disk).freeBytes
  if (freeBytes !== null) facts.push({ kind: "disk_low", tenant: null, subject: "hosted", value: freeBytes })
  for (const [tenant, places] of yield* base.ask(damage)) facts.push({ kind: "commit_quarantined", tenant, subject: tenant, value: places })
  const metrics = new Map((yield* hostedObserving(base).all(undefined)).map((told) => [told.peer_id, told] as const))
  for (const { devices, tenant } of base.tenants.all()) {
    for (const { peer_id } of devices) {
      const told = metrics.get(peer_id)
      if (told === undefined) continue
      const say = (kind: Fact["kind"], value: number) => facts.push({ kind, tenant, subject: peer_id, value })
      const { seenAt, skewMillis, tally } = base.watch.of(peer_id)
      const isMissed = now - Math.max(seenAt, told.last_sync === null ? 0 : millisOf(told.last_sync)) < Duration.toMillis(missedFor)
      if (isMissed) say("sync_lag", told.sync_lag_seconds)
      if (isMissed) say("queue_depth", told.queue_depth)
      if (tally.tries(now) >= triesMin) say("success_rate", told.sync_success_rate)
      if (skewMillis !== undefined) say("clock_skew", Math.abs(skewMillis) / 1000)
      say("peer_stopped", tally.last === "bad_signature" ? 1 : 0)
    }
  }
  return facts
})

/** What is kept for ninety days: opaque ids and numbers. */
const recordOf = ({ id, kind, resolved_at, raised_at, status, subject, tenant, threshold, value }: Alert) =>
  encoder.encode(JSON.stringify({ id, kind, status, tenant, subject, value, threshold, raised_at, resolved_at }))

export interface HostedAlerting {
  readonly alerts: AlertSettings
  readonly store: AlertBucket
  readonly watcher: AlertBucket
  readonly log: EventLog
  /** This process, among others. */
  readonly name: string
  readonly ownsHub: boolean
}

/** Alerts of all tenants: judged by one process, kept in ALERTS, told to the operator. */
export const hostedAlerting = Effect.fnUntraced(function*(base: AlertingBase, options: HostedAlerting) {
  const watching = makeWatch(options.watcher, { name: options.name, first: options.ownsHub })
  return yield* makeAlerting({
    ...options.alerts,
    store: keyValueStore(options.store),
    facts: Effect.flatMap(watching, (mine) => mine ? factsOf(base) : Effect.undefined),
    record: (alert) =>
      options.log.append([{ subject: subjects.alert(alert.tenant, alert.kind), data: recordOf(alert), messageId: `${alert.id}.${alert.status}` }]).pipe(
        Effect.catch((error) => Effect.logError("an alert could not be kept in ALERTS", { alert: alert.id, why: error._tag })))
  })
})
