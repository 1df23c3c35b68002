import { type Thresholds, thresholdsOf } from "../../streams/alertRules.ts"
import type { Webhook } from "./webhook.ts"

/** What a start may say of alerts. */
export interface AlertSettings {
  readonly thresholds: Thresholds
  readonly webhook: Webhook | undefined
}

/** As the rules have it, and nobody is called. */
export const quietAlerts: AlertSettings = { thresholds: thresholdsOf("") as Thresholds, webhook: undefined }
