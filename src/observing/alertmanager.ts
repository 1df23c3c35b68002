import { Duration } from "effect"
import type { Alert } from "../../streams/alerts.ts"
import { isoTime, millisOf } from "../../streams/time.ts"

/** One alert as `POST /api/v2/alerts` of Alertmanager takes it. */
export interface PostableAlert {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly startsAt: string
  readonly endsAt: string
  readonly generatorURL: string
}

/**
 * Alertmanager takes an alert without an end as resolved after five minutes of silence. Ours are told once, so what
 * fires ends far in the future until it is resolved.
 */
const firingUntil = Duration.days(90)

export const alertmanagerBody = (alerts: ReadonlyArray<Alert>, generatorURL: string): ReadonlyArray<PostableAlert> =>
  alerts.map((alert) => ({
    labels: { alertname: alert.kind, severity: alert.severity, subject: alert.subject, ...(alert.tenant === null ? {} : { tenant: alert.tenant }) },
    annotations: { summary: alert.summary, description: alert.todo, value: String(alert.value), threshold: String(alert.threshold), runbook: `docs/OPERATIONS.md#${alert.kind}` },
    startsAt: alert.raised_at,
    endsAt: alert.resolved_at ?? isoTime(millisOf(alert.raised_at) + Duration.toMillis(firingUntil)),
    generatorURL
  }))
