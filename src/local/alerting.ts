import { Clock, Effect, Option, Result, Schema, SubscriptionRef } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { AlertState, type Fact, noAlerts } from "../../streams/alerts.ts"
import type { Disk } from "../nats/diskGuard.ts"
import { type AlertStore, makeAlerting } from "../observing/alerting.ts"
import type { AlertSettings } from "../observing/settings.ts"
import { replaceFile } from "../security/replaceFile.ts"
import { lagSeconds, type ObservingContext, queueDepth } from "./observing.ts"
import { pairedIn } from "./State.ts"

interface AlertingContext extends ObservingContext {
  readonly disk: SubscriptionRef.SubscriptionRef<Disk>
}

/** A rate of fewer tries says nothing. */
const triesMin = 10

const StateJson = Schema.fromJsonString(AlertState)

/** One file beside the pairing. Where it cannot be read there were no alerts: what is wrong shows again at once. */
const fileStore = Effect.fnUntraced(function*(file: string) {
  const text = yield* Effect.option(Effect.tryPromise(() => readFile(file, "utf8")))
  const read = Option.map(text, (json) => Schema.decodeResult(StateJson)(json))
  let state = Option.isSome(read) && Result.isSuccess(read.value) ? read.value.success : noAlerts
  return {
    load: Effect.sync(() => state),
    save: (next) =>
      Effect.suspend(() => {
        state = next
        // on a full disk it is remembered by this process only
        return Effect.as(Effect.ignore(Effect.tryPromise(() => replaceFile(file, `${JSON.stringify(next)}\n`))), true)
      })
  } satisfies AlertStore
})

/** What a local backend watches of itself. Not in step while paused is what a person wanted. */
const factsOf = Effect.fnUntraced(function*(context: AlertingContext) {
  const { disk, state, tables } = context
  const now = yield* Clock.currentTimeMillis
  const peer = pairedIn(state)?.with.peer_id
  const facts: Array<Fact> = []
  const say = (kind: Fact["kind"], subject: string, value: number) => facts.push({ kind, tenant: null, subject, value })
  const { freeBytes } = SubscriptionRef.getUnsafe(disk)
  if (freeBytes !== null) say("disk_low", "local", freeBytes)
  if (peer === undefined) return facts
  if (!SubscriptionRef.getUnsafe(state.paused)) say("sync_lag", peer, lagSeconds(context, now))
  say("queue_depth", peer, queueDepth(context))
  if (state.tally.tries(now) >= triesMin) say("success_rate", peer, state.tally.rate(now))
  if (state.skewMillis !== undefined) say("clock_skew", peer, Math.abs(state.skewMillis) / 1000)
  say("peer_stopped", peer, SubscriptionRef.getUnsafe(state.needs) === undefined ? 0 : 1)
  say("commit_quarantined", peer, yield* tables.quarantined)
  return facts
})

/** Alerts of this machine: to the person at it, in the log, and to a webhook if there is one. */
export const localAlerting = Effect.fnUntraced(function*(context: AlertingContext, options: { readonly dataDir: string; readonly alerts: AlertSettings }) {
  return yield* makeAlerting({
    ...options.alerts,
    store: yield* fileStore(join(options.dataDir, "alerts.json")),
    facts: factsOf(context),
    record: () => Effect.void
  })
})
