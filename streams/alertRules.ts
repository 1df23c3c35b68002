import { size } from "./size.ts"

/** When something is wrong: above or below a number. */
export interface AlertRule {
  readonly raisedWhen: "above" | "below"
  readonly threshold: number
  readonly unit: "seconds" | "events" | "share" | "commits" | "state" | "bytes"
  readonly severity: "warning" | "critical"
  /** What is the matter, in a line; `subject` is a peer id, or this backend itself. */
  readonly summary: (subject: string, value: number) => string
  /** What to do now. docs/OPERATIONS.md has a run book of that name with the rest. */
  readonly todo: string
}

/** As a person would say it: `45 s`, `12 min`, `9 h`, `3 days`. */
const span = (seconds: number): string =>
  seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`
const percent = (value: number) => `${(value * 100).toFixed(1)} %`

/** Every alert there is. Thresholds are settings: `--alerts sync_lag=600,queue_depth=5000,disk_low=off`. */
export const alertRules = {
  sync_lag: {
    raisedWhen: "above",
    threshold: 300,
    unit: "seconds",
    severity: "warning",
    summary: (subject, value) => `${subject} is not in step: something has waited for ${span(value)}`,
    todo: "See `maestra debug` on that machine: network, pause, or a person is needed. Nothing is lost; it catches up by itself."
  },
  queue_depth: {
    raisedWhen: "above",
    threshold: 1000,
    unit: "events",
    severity: "warning",
    summary: (subject, value) => `${value} events of ${subject} wait to be sent`,
    todo: "If it falls, wait: an import or a long time offline is being sent. If not, see `retries` in `maestra debug`."
  },
  success_rate: {
    raisedWhen: "below",
    threshold: 0.9,
    unit: "share",
    severity: "warning",
    summary: (subject, value) => `only ${percent(value)} of the syncs of ${subject} succeed`,
    todo: "See `recent_errors` in `maestra debug` on that machine, or in `maestra debug PEER --on hosted`: `busy` and `timed_out` speak of the hosted side, the rest of that machine."
  },
  commit_quarantined: {
    raisedWhen: "above",
    threshold: 0,
    unit: "commits",
    severity: "critical",
    summary: (subject, value) => `${value} places in the log of ${subject} do not verify and are not read`,
    todo: "`maestra verify` names them. Look at the disk of the hub; the author's machine still has the original."
  },
  peer_stopped: {
    raisedWhen: "above",
    threshold: 0,
    unit: "state",
    severity: "critical",
    summary: (subject) => `${subject} has stopped sending until a person decides`,
    todo: "`maestra status` on that machine says what it needs: revoked, another log, or this identity running twice."
  },
  clock_skew: {
    raisedWhen: "above",
    threshold: 30,
    unit: "seconds",
    severity: "warning",
    summary: (subject, value) => `the clock of ${subject} is ${span(value)} away from the other side's`,
    todo: "Turn time synchronisation on where the clock is wrong (on Linux `timedatectl set-ntp true`). From 60 s on sessions are refused, and new writes win or lose by the wrong time."
  },
  disk_low: {
    raisedWhen: "below",
    threshold: 2 * 1024 ** 3,
    unit: "bytes",
    severity: "critical",
    summary: (_, value) => `${size(value)} are left on the disk under the store`,
    todo: "Make room before 64 MiB are left: then writes are refused. Reading goes on, and nothing acknowledged is lost."
  }
} as const satisfies Record<string, AlertRule>

export type AlertKind = keyof typeof alertRules
export const alertKinds = Object.keys(alertRules) as ReadonlyArray<AlertKind>
export const isAlertKind = (name: string): name is AlertKind => Object.hasOwn(alertRules, name)

/** Where each alert begins; `undefined`: that kind is off. */
export type Thresholds = Readonly<Record<AlertKind, number | undefined>>

/** The thresholds of the rules, with what a setting changes. Fails with what is wrong in it. */
export const thresholdsOf = (setting: string): Thresholds | string => {
  const thresholds: Record<AlertKind, number | undefined> = { ...defaults }
  for (const part of setting.split(",").map((text) => text.trim()).filter((text) => text !== "")) {
    const [name = "", value = ""] = part.split("=", 2)
    const number = Number(value)
    if (!isAlertKind(name)) return `there is no alert ${JSON.stringify(name)}: there are ${alertKinds.join(", ")}`
    if (value !== "off" && (value === "" || !Number.isFinite(number) || number < 0)) return `${name} is ${JSON.stringify(value)}, not a number or \`off\``
    thresholds[name] = value === "off" ? undefined : number
  }
  return thresholds
}

const defaults = Object.fromEntries(Object.entries(alertRules).map(([kind, { threshold }]) => [kind, threshold])) as Record<AlertKind, number | undefined>
