import { Clock, Duration, Effect, Queue, Semaphore } from "effect"
import { type AlertState, type Alert, type Alerts, changeOf, type Fact, listed, next, type Silence, silence, toldOf } from "../../streams/alerts.ts"
import type { Thresholds } from "../../streams/alertRules.ts"
import { sentences } from "../../streams/sentences.ts"
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

/**
 * Judge the facts for ever, and tell each change once: durably, in the log, and to the webhook. What is to be told is
 * kept with the decision until it was; a process that is killed in between leaves it to whoever judges next, who may
 * tell it a second time: ALERTS and the webhook know it by its id.
 */
export const makeAlerting = Effect.fn("observing.alerting")(function*(options: AlertingOptions) {
  const { store, webhook } = options
  const outgoing = yield* Queue.sliding<Alert>(waitingMax)
  const turn = yield* Semaphore.make(1)

  /** Changes this process took on, and of those the ones that were told to all and are still noted as untold. */
  const taken = new Set<string>()
  const told = new Set<string>()

  /** Take off the list what was told; where that cannot be written now, the next look does. */
  const settle = Effect.fnUntraced(function*(before: AlertState, state: AlertState) {
    const settled = new Set(told)
    const after = toldOf(state, settled)
    if (JSON.stringify(after) !== JSON.stringify(before) && !(yield* store.save(after))) return undefined
    for (const change of settled) {
      told.delete(change)
      taken.delete(change)
    }
    return after
  })
  const done = (alerts: ReadonlyArray<Alert>) => turn.withPermits(1)(Effect.gen(function*() {
    for (const alert of alerts) told.add(changeOf(alert))
    const state = yield* store.load
    yield* settle(state, state)
  }))

  /** What is to be told, or nothing where somebody else decided meanwhile. */
  const look = turn.withPermits(1)(Effect.gen(function*() {
    const facts = yield* options.facts
    if (facts === undefined) return []
    const before = yield* store.load
    const { state } = next(before, facts, { now: yield* Clock.currentTimeMillis, thresholds: options.thresholds })
    const after = yield* settle(before, state)
    // those another process left, and those of just now
    return after?.untold?.filter((alert) => !taken.has(changeOf(alert))) ?? []
  }))

  const tell = (alerts: ReadonlyArray<Alert>) => Effect.gen(function*() {
    for (const alert of alerts) {
      taken.add(changeOf(alert))
      yield* options.record(alert)
      if (alert.silenced_until === null) yield* logged(alert)
    }
    const posting = webhook === undefined ? [] : alerts.filter(({ silenced_until }) => silenced_until === null)
    yield* Queue.offerAll(outgoing, posting)
    const over = alerts.filter((alert) => !posting.includes(alert))
    if (over.length > 0) yield* done(over)
  })

  const run: Effect.Effect<never> = Effect.all([
    look.pipe(Effect.flatMap(tell), Effect.andThen(Effect.sleep(lookEvery)), Effect.forever),
    webhook === undefined ? Effect.never : Queue.takeAll(outgoing).pipe(Effect.tap(webhook.send), Effect.flatMap(done), Effect.forever)
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
  const line = sentences(alert.summary, alert.todo)
  return alert.severity === "critical" ? Effect.logError(line, about) : Effect.logWarning(line, about)
}
