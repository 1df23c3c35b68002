import { Clock, Duration, Effect, Queue, Semaphore } from "effect"
import { type AlertState, type Alert, type Alerts, type Fact, listed, next, type Silence, silence } from "../../streams/alerts.ts"
import type { Thresholds } from "../../streams/alertRules.ts"
import { isoTime } from "../../streams/time.ts"
import type { Webhook } from "./webhook.ts"

/** Where alerts are remembered, so that a new start, or another process, tells of none a second time. */
export interface AlertStore {
  readonly load: Effect.Effect<AlertState>
  /** False: somebody else wrote meanwhile, or it could not be written; nothing is told, and the next look decides again. */
  readonly save: (state: AlertState) => Effect.Effect<boolean>
}

export interface AlertingOptions {
  readonly thresholds: Thresholds
  readonly webhook: Webhook | undefined
  readonly store: AlertStore
  /** What there is to judge; undefined where this process is not to judge, or cannot now. */
  readonly facts: Effect.Effect<ReadonlyArray<Fact> | undefined>
  /** A durable note of each change; on hosted the ALERTS stream. */
  readonly record: (alert: Alert) => Effect.Effect<void>
}

const lookEvery = Duration.seconds(5)
/** Changes waiting for the webhook; it has the newest. */
const waitingMax = 1000

/** Judge the facts for ever, and tell each change once: durably, in the log, and to the webhook. */
export const makeAlerting = Effect.fn("observing.alerting")(function*(options: AlertingOptions) {
  const { store, webhook } = options
  const outgoing = yield* Queue.sliding<Alert>(waitingMax)
  const turn = yield* Semaphore.make(1)

  const look = Effect.gen(function*() {
    const facts = yield* options.facts
    if (facts === undefined) return
    const before = yield* store.load
    const { changed, state, told } = next(before, facts, { now: yield* Clock.currentTimeMillis, thresholds: options.thresholds })
    if (JSON.stringify(state) === JSON.stringify(before)) return
    if (!(yield* store.save(state))) return
    for (const alert of changed) yield* options.record(alert)
    for (const alert of told) yield* logged(alert)
    if (webhook !== undefined) yield* Queue.offerAll(outgoing, told)
  })

  const run: Effect.Effect<never> = Effect.all([
    turn.withPermits(1)(look).pipe(Effect.andThen(Effect.sleep(lookEvery)), Effect.forever),
    webhook === undefined ? Effect.never : Queue.takeAll(outgoing).pipe(Effect.flatMap(webhook.send), Effect.forever)
  ], { concurrency: "unbounded" }).pipe(Effect.andThen(Effect.never))

  const port: Alerts["Service"] = {
    list: Effect.map(store.load, (state) => ({ alerts: listed(state), silences: state.silences })),
    silence: ({ kind, minutes, subject }) =>
      turn.withPermits(1)(Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        const wanted: Silence = { kind, subject, until: isoTime(now + Duration.toMillis(Duration.minutes(minutes))) }
        const state = yield* store.load
        yield* store.save(silence(state, wanted, now))
        return wanted
      }))
  }
  return { run, port }
})

const logged = (alert: Alert) => {
  const about = { alert: alert.id, kind: alert.kind, subject: alert.subject, tenant: alert.tenant, value: alert.value, threshold: alert.threshold }
  if (alert.status === "resolved") return Effect.logInfo(`resolved: ${alert.summary}`, about)
  const line = `${alert.summary}. ${alert.todo}`
  return alert.severity === "critical" ? Effect.logError(line, about) : Effect.logWarning(line, about)
}
