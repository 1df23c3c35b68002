import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { PrivacySettings } from "../../answers.ts"
import { reading, type Where, where } from "../../backend.ts"
import { ask } from "../../call.ts"
import { answer } from "../../print.ts"
import { table } from "../../text.ts"

/** `privacy show`: the settings in force. */
export const show = Command.make(
  "show",
  { ...where },
  Effect.fn(function*(flags: Where) {
    const { raw, value } = yield* ask(yield* reading(flags), PrivacySettings, { method: "GET", path: "/privacy-settings" })
    yield* answer(raw, () => settingsTable(value))
  })
).pipe(Command.withDescription("Show what may leave, and how long hosted keeps it"))

/** Each setting, its value, and what that means. */
export const settingsTable = (settings: typeof PrivacySettings.Type): string => {
  const { allowed_surfaces, default_region, keep_own_copies, redact_pii, retention_days, sync_conversations, sync_enabled, sync_telemetry, user_id } = settings
  const surfaces = allowed_surfaces === null ? "all" : allowed_surfaces.length === 0 ? "none" : allowed_surfaces.join(",")
  return table([
    ["user_id", user_id ?? "-", user_id === null ? "this machine belongs to nobody yet: not paired" : "whose data this is"],
    ["sync_enabled", String(sync_enabled), sync_enabled ? "things may leave this machine" : "nothing leaves but these settings"],
    ["sync_conversations", String(sync_conversations), sync_conversations ? "conversations are sent" : "conversations wait here"],
    ["sync_telemetry", String(sync_telemetry), sync_telemetry ? "telemetry is sent" : "telemetry stays here for good"],
    ["redact_pii", String(redact_pii), redact_pii ? "e-mail, telephone, SSN and card numbers are hidden before anything leaves" : "everything leaves as it was written"],
    ["allowed_surfaces", surfaces, allowed_surfaces === null ? "wherever something was typed" : "what was typed elsewhere stays here"],
    ["retention_days", String(retention_days), "how long hosted keeps a conversation after its last change"],
    ["keep_own_copies", String(keep_own_copies), keep_own_copies ? "what hosted no longer keeps stays on the machine it was written on" : "what hosted no longer keeps goes everywhere"],
    ["default_region", default_region ?? "none", default_region === null ? "only numbers with a country, and common forms, are known as telephone numbers" : "whose national telephone numbers are known too"]
  ])
}
