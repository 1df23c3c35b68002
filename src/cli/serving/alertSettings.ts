import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { thresholdsOf } from "../../../streams/alertRules.ts"
import { misused } from "../failure.ts"
import type { Side } from "../settings.ts"
import { httpUrl } from "./httpUrl.ts"

/** What a start may be told of alerts. */
export const alertFlags = {
  alerts: Flag.String("alerts").pipe(
    Flag.withDescription("Thresholds that differ, like sync_lag=600,queue_depth=5000,disk_low=off (MAESTRA_ALERTS)"),
    Flag.withFallbackConfig(Config.String("MAESTRA_ALERTS")),
    Flag.withDefault("")
  ),
  alertWebhook: Flag.String("alert-webhook").pipe(
    Flag.withDescription("Where alerts are posted to, as to Alertmanager's API v2 (MAESTRA_ALERT_WEBHOOK)"),
    Flag.withFallbackConfig(Config.NonEmptyString("MAESTRA_ALERT_WEBHOOK")),
    Flag.optional
  ),
  alertWebhookPrivate: Flag.Boolean("alert-webhook-private").pipe(
    Flag.withDescription("The webhook may be on this machine or in a private network; a hosted backend calls no such address otherwise (MAESTRA_ALERT_WEBHOOK_PRIVATE)"),
    Flag.withFallbackConfig(Config.Boolean("MAESTRA_ALERT_WEBHOOK_PRIVATE")),
    Flag.withDefault(false)
  )
}

interface AlertFlags {
  readonly alerts: string
  readonly alertWebhook: Option.Option<string>
  readonly alertWebhookPrivate: boolean
}

/** The settings of alerts, or what is wrong with them. `here`: this backend's own address, for who reads an alert. */
export const alertSettings = Effect.fnUntraced(function*(side: Side, here: string, flags: AlertFlags) {
  const thresholds = thresholdsOf(flags.alerts)
  if (typeof thresholds === "string") return yield* misused("alerts", thresholds, "Give it as kind=number or kind=off, several with commas between them.")
  if (Option.isNone(flags.alertWebhook)) return { thresholds, webhook: undefined }
  const url = httpUrl(flags.alertWebhook.value)
  if (url === undefined) {
    return yield* misused("alert-webhook", "the webhook of alerts is not an http or https URL without a user in it", "Set it to something like https://alerts.example.org/api/v2/alerts.")
  }
  const { makeWebhook } = yield* Effect.promise(() => import("../../observing/webhook.ts"))
  return { thresholds, webhook: makeWebhook({ url, generatorUrl: here, mayBePrivate: side === "local" || flags.alertWebhookPrivate }) }
})
