import { Context, Duration, type Effect, Schema } from "effect"
import { type AlertKind, alertKinds, alertRules, type Thresholds } from "./alertRules.ts"
import { isoTime, millisOf } from "./time.ts"

/** Something that can be judged, at one moment: what is measured, of whom, and how much it is. */
export interface Fact {
  readonly kind: AlertKind
  /** Whose it is on hosted; null where it is the backend's own. */
  readonly tenant: string | null
  /** A peer id, or `hosted` or `local` for the backend itself. */
  readonly subject: string
  readonly value: number
}

const MaybeText = Schema.NullOr(Schema.String)

/** An alert: raised once, resolved once. */
export const Alert = Schema.Struct({
  id: Schema.String,
  kind: Schema.Literals(alertKinds),
  severity: Schema.Literals(["warning", "critical"]),
  status: Schema.Literals(["firing", "resolved"]),
  tenant: MaybeText,
  subject: Schema.String.annotate({ description: "a peer id, or `hosted` or `local`: the backend itself" }),
  value: Schema.Finite.annotate({ description: "as it was when it was raised" }),
  threshold: Schema.Finite,
  summary: Schema.String,
  todo: Schema.String,
  raised_at: Schema.String,
  resolved_at: MaybeText,
  silenced_until: MaybeText
}).annotate({ identifier: "Alert" })
export type Alert = typeof Alert.Type

/** Nobody is told of alerts that fit, until then. They are listed all the same. */
export const Silence = Schema.Struct({
  kind: Schema.NullOr(Schema.Literals(alertKinds)),
  subject: MaybeText,
  until: Schema.String
}).annotate({ identifier: "Silence" })
export type Silence = typeof Silence.Type

const Held = Schema.Struct({ ...Alert.fields, clear_since: MaybeText })
type Held = typeof Held.Type

/**
 * All there is to remember between two looks: alerts that fire, those that were resolved lately, silences; and what was
 * decided and not told yet, so that a process that is killed in between leaves it to the next.
 */
export const AlertState = Schema.Struct({ alerts: Schema.Array(Held), silences: Schema.Array(Silence), untold: Schema.optionalKey(Schema.Array(Alert)) })
export type AlertState = typeof AlertState.Type
export const noAlerts: AlertState = { alerts: [], silences: [] }

/** What is good again has to stay so for this long before it counts: a figure at its threshold would ring and ring. */
export const clearFor = Duration.seconds(15)
/** Alerts firing at once. With more, whatever is wrong is one thing. */
const firingMax = 1000
const resolvedMax = 100
const silencesMax = 100

/** Alerts waiting to be told. */
const untoldMax = 1000

/** The state then, in which what is to be told waits. */
export interface Judged {
  readonly state: AlertState
  /** Raised or resolved just now. */
  readonly changed: ReadonlyArray<Alert>
}

/** One change of an alert, which is told once. */
export const changeOf = ({ id, status }: Pick<Alert, "id" | "status">): string => `${id}.${status}`

const keyOf = ({ kind, subject, tenant }: Pick<Fact, "kind" | "subject" | "tenant">) => `${kind}/${tenant ?? "_"}/${subject}`

/** Judge the facts of one moment. Pure and total: the same state and facts always tell the same. */
export const next = (state: AlertState, facts: ReadonlyArray<Fact>, options: { readonly now: number; readonly thresholds: Thresholds }): Judged => {
  const { now, thresholds } = options
  const at = isoTime(now)
  const silences = state.silences.filter(({ until }) => until > at)
  const wrong = new Map(facts.filter((fact) => isWrong(fact, thresholds)).map((fact) => [keyOf(fact), fact] as const))
  const firing = state.alerts.filter(({ status }) => status === "firing")
  const changed: Array<Held> = []
  const alerts: Array<Held> = []
  for (const alert of firing) {
    const key = keyOf(alert)
    if (wrong.delete(key)) alerts.push({ ...alert, clear_since: null, silenced_until: silenceOf(silences, alert) })
    else if (alert.clear_since === null || now - millisOf(alert.clear_since) < Duration.toMillis(clearFor)) alerts.push({ ...alert, clear_since: alert.clear_since ?? at })
    else changed.push({ ...alert, status: "resolved", resolved_at: at, silenced_until: silenceOf(silences, alert) })
  }
  for (const fact of wrong.values()) {
    if (alerts.length >= firingMax) break
    const raised = raise(fact, thresholds[fact.kind]!, now, silences)
    alerts.push(raised)
    changed.push(raised)
  }
  const resolved = [...changed.filter(({ status }) => status === "resolved"), ...state.alerts.filter(({ status }) => status === "resolved")]
  return {
    state: { alerts: [...alerts, ...resolved.slice(0, resolvedMax)], silences, ...untoldOf([...state.untold ?? [], ...changed.map(shown)]) },
    changed: changed.map(shown)
  }
}

const untoldOf = (untold: ReadonlyArray<Alert>) => untold.length === 0 ? {} : { untold: untold.slice(-untoldMax) }

/** These were told. */
export const toldOf = ({ untold = [], ...state }: AlertState, told: ReadonlySet<string>): AlertState => ({ ...state, ...untoldOf(untold.filter((alert) => !told.has(changeOf(alert)))) })

const isWrong = ({ kind, value }: Fact, thresholds: Thresholds): boolean => {
  const threshold = thresholds[kind]
  return threshold !== undefined && (alertRules[kind].raisedWhen === "above" ? value > threshold : value < threshold)
}

const raise = ({ kind, subject, tenant, value }: Fact, threshold: number, now: number, silences: ReadonlyArray<Silence>): Held => {
  const { severity, summary, todo } = alertRules[kind]
  return {
    // made of what it is about and when: the same in every process that judges the same moment
    id: `${kind}-${subject}-${now.toString(36)}`,
    kind, severity, tenant, subject, value, threshold, todo,
    status: "firing",
    summary: summary(subject, value),
    raised_at: isoTime(now),
    resolved_at: null,
    silenced_until: silenceOf(silences, { kind, subject }),
    clear_since: null
  }
}

const silenceOf = (silences: ReadonlyArray<Silence>, { kind, subject }: Pick<Fact, "kind" | "subject">): string | null =>
  silences.filter((silence) => (silence.kind ?? kind) === kind && (silence.subject ?? subject) === subject).map(({ until }) => until).sort().at(-1) ?? null

const shown = ({ clear_since: _, ...alert }: Held): Alert => alert

/** Those that fire first, the newest first. */
export const listed = ({ alerts }: AlertState): ReadonlyArray<Alert> =>
  alerts.map(shown).sort((a, b) => a.status.localeCompare(b.status) || b.raised_at.localeCompare(a.raised_at))

/** Add a silence; one of the same kind and subject is replaced, and ended where `until` has passed. */
export const silence = (state: AlertState, wanted: Silence, now: number): AlertState => {
  const silences = [...state.silences.filter(({ kind, subject }) => kind !== wanted.kind || subject !== wanted.subject), wanted]
    .filter(({ until }) => until > isoTime(now)).slice(-silencesMax)
  return { ...state, silences, alerts: state.alerts.map((alert) => alert.status === "firing" ? { ...alert, silenced_until: silenceOf(silences, alert) } : alert) }
}

/** What is wrong now, and hushing it. */
export class Alerts extends Context.Service<Alerts, {
  readonly list: Effect.Effect<{ readonly alerts: ReadonlyArray<Alert>; readonly silences: ReadonlyArray<Silence> }>
  readonly silence: (wanted: { readonly kind: AlertKind | null; readonly subject: string | null; readonly minutes: number }) => Effect.Effect<Silence>
}>()("streams/Alerts") {}
