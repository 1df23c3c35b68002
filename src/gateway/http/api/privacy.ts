import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Settings } from "../../../../streams/events/settings.ts"
import { Erased } from "../../../../streams/ErasureReceipt.ts"
import { kinds } from "../../../privacy/kinds.ts"
import { Private, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"
import { ImportConversation } from "../wire.ts"

const { allowed_surfaces, default_region, keep_own_copies, redact_pii, retention_days, sync_conversations, sync_enabled, sync_telemetry } = Settings.fields

/** The fields that shall change; the others stay as they are. */
export const SettingsChange = Schema.Struct({
  sync_enabled: Schema.optionalKey(sync_enabled),
  sync_conversations: Schema.optionalKey(sync_conversations),
  sync_telemetry: Schema.optionalKey(sync_telemetry),
  redact_pii: Schema.optionalKey(redact_pii),
  retention_days: Schema.optionalKey(retention_days),
  allowed_surfaces: Schema.optionalKey(allowed_surfaces),
  default_region: Schema.optionalKey(default_region),
  keep_own_copies: Schema.optionalKey(keep_own_copies)
}).annotate({ identifier: "SettingsChange", examples: [{ redact_pii: true, allowed_surfaces: ["web", "ios"] }] })

/** What may leave, and whose it is: `null` on a machine that belongs to nobody yet. */
export const PrivacySettings = Schema.Struct({ user_id: Schema.NullOr(Schema.String), ...Settings.fields }).annotate({ identifier: "PrivacySettings" })

const Span = Schema.Struct({ kind: Schema.Literals(kinds), start: Schema.Int, end: Schema.Int }).annotate({
  identifier: "Redaction",
  description: "what was hidden, and where in the text as it was given, in UTF-16 units"
})

/** A conversation as it would leave, in the import format. Ids that would not leave show as `h_…`, under a name made for this answer. */
const Preview = Schema.Struct({
  conversation_id: Schema.String,
  title: Schema.optionalKey(Schema.String),
  title_redactions: Schema.optionalKey(Schema.Array(Span)),
  messages: Schema.Array(Schema.Struct({
    id: Schema.String, role: Schema.String, content: Schema.String, timestamp: Schema.String, surface: Schema.String, redactions: Schema.Array(Span)
  })),
  withheld: Schema.optionalKey(Schema.Struct({ why: Schema.Literals(["surface", "sync_enabled", "sync_conversations"]), messages: Schema.Int }))
}).annotate({ identifier: "Preview" })

/** A person's settings and data as a whole. */
export class Privacy extends HttpApiGroup.make("privacy").add(
  HttpApiEndpoint.get("read", "/privacy-settings", { query: tenantQuery, success: PrivacySettings, error: refusals(404) }),
  HttpApiEndpoint.put("change", "/privacy-settings", {
    payload: SettingsChange,
    success: PrivacySettings,
    error: refusals(413, 503, 507)
  }),
  /** What would leave if this were imported now. Nothing is kept. Lines that cannot be read are left out. */
  HttpApiEndpoint.post("preview", "/privacy/preview", {
    query: tenantQuery,
    payload: HttpApiSchema.StreamNdjson({ schema: ImportConversation }),
    success: HttpApiSchema.StreamNdjson({ schema: Preview }),
    error: refusals(413)
  }),
  /** Everything this side holds of a person, as one tar (`maestra import` takes it back). Cut off without its last file, `SHA256SUMS`. */
  HttpApiEndpoint.post("export", "/privacy/export", {
    query: tenantQuery,
    success: HttpApiSchema.StreamUint8Array({ contentType: "application/x-tar" }),
    error: refusals(404, 503)
  }),
  /** Erase everything: on hosted, here, and on every other device as it comes online. It cannot be undone. */
  HttpApiEndpoint.delete("erase", "/privacy/data", { query: tenantQuery, success: Erased, error: refusals(404, 409, 503) })
).middleware(Private) {}
