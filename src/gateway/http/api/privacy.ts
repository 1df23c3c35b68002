import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Settings } from "../../../../streams/events/settings.ts"
import { Operator } from "../caller.ts"
import { refusals } from "../problems.ts"

const { allowed_surfaces, default_region, redact_pii, retention_days, sync_conversations, sync_enabled, sync_telemetry } = Settings.fields

/** The fields that shall change; the others stay as they are. */
export const SettingsChange = Schema.Struct({
  sync_enabled: Schema.optionalKey(sync_enabled),
  sync_conversations: Schema.optionalKey(sync_conversations),
  sync_telemetry: Schema.optionalKey(sync_telemetry),
  redact_pii: Schema.optionalKey(redact_pii),
  retention_days: Schema.optionalKey(retention_days),
  allowed_surfaces: Schema.optionalKey(allowed_surfaces),
  default_region: Schema.optionalKey(default_region)
}).annotate({ identifier: "SettingsChange" })

/** What may leave this machine, for the person at it. */
export class Privacy extends HttpApiGroup.make("privacy").add(
  HttpApiEndpoint.get("read", "/privacy-settings", { success: Settings.annotate({ identifier: "PrivacySettings" }) }),
  HttpApiEndpoint.put("change", "/privacy-settings", {
    payload: SettingsChange,
    success: Settings,
    error: refusals(413, 503, 507)
  })
).middleware(Operator) {}
