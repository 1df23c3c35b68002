import { Schema } from "effect"
import { event } from "../EventDefinition.ts"
import { Sequence, Time } from "../ids.ts"
import { Stamp } from "../Stamp.ts"

/** What may leave a machine, and for how long it is kept. Each field is a register of its own. */
export const Settings = Schema.Struct({
  sync_enabled: Schema.Boolean,
  sync_conversations: Schema.Boolean,
  sync_telemetry: Schema.Boolean,
  redact_pii: Schema.Boolean,
  retention_days: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 36_500 })),
  /** `null`: every surface. A list: only these. */
  allowed_surfaces: Schema.NullOr(Schema.Array(Schema.String.check(Schema.isMaxLength(64))).check(Schema.isMaxLength(64))),
  /** ISO 3166: whose national telephone numbers are redacted too. `null`: only those written internationally or as everywhere. */
  default_region: Schema.NullOr(Schema.String.check(Schema.isPattern(/^[A-Z]{2}$/))),
  /** What retention removes from hosted stays on the machine it was written on; false: it goes there too. */
  keep_own_copies: Schema.Boolean
})
export type Settings = typeof Settings.Type

export const defaults: Settings = {
  sync_enabled: true,
  sync_conversations: true,
  sync_telemetry: true,
  redact_pii: true,
  retention_days: 90,
  allowed_surfaces: null,
  default_region: null,
  keep_own_copies: true
}

/** Only the fields that changed, and the stamp of the settings its author saw. */
export const settingsChanged = event("settings.changed", Schema.Struct({
  sync_enabled: Schema.optionalKey(Schema.Boolean),
  sync_conversations: Schema.optionalKey(Schema.Boolean),
  sync_telemetry: Schema.optionalKey(Schema.Boolean),
  redact_pii: Schema.optionalKey(Schema.Boolean),
  retention_days: Schema.optionalKey(Settings.fields.retention_days),
  allowed_surfaces: Schema.optionalKey(Settings.fields.allowed_surfaces),
  default_region: Schema.optionalKey(Settings.fields.default_region),
  keep_own_copies: Schema.optionalKey(Schema.Boolean),
  base: Schema.optionalKey(Stamp)
}))

/** Everything of this tenant left the log: the one event that stays. By hosted. */
export const tenantErased = event("tenant.erased", Schema.Struct({ erased_at: Time, before_seq: Sequence }))
