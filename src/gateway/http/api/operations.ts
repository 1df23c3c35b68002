import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { KeyRow, Rotated } from "../../../../streams/Access.ts"
import { BackupPlan, BackupRow } from "../../../../streams/Backup.ts"
import { Registered } from "../../../../streams/Registration.ts"
import { Operator, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"
import { AuditAnswer, Facts, ProgressLine } from "../wire.ts"

const sentence = Schema.Struct({ sentence: Schema.String })

/** Looking after a backend, on either side. */
export class Operations extends HttpApiGroup.make("operations").add(
  HttpApiEndpoint.get("status", "/status", { success: Facts }),
  HttpApiEndpoint.get("peers", "/peers", { success: Schema.Struct({ peers: Schema.Array(Facts) }) }),
  HttpApiEndpoint.get("keys", "/keys", { success: Schema.Struct({ keys: Schema.Array(KeyRow) }) }),
  /** New keys for this backend itself; the old ones hand over to them. */
  HttpApiEndpoint.post("rotateKeys", "/keys/rotate", {
    payload: Schema.Struct({ which: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(64))) }),
    success: Rotated,
    error: refusals(409, 503)
  }),
  /** Who did what. Without `from` the newest; with the `cursor` of a page what came after it. `tenant`: of one, `_` of none. */
  HttpApiEndpoint.get("audit", "/audit", {
    query: { from: Schema.optionalKey(Schema.String), limit: Schema.optionalKey(Schema.Int), ...tenantQuery },
    success: AuditAnswer,
    error: refusals(400, 503)
  }),
  HttpApiEndpoint.post("verifyAudit", "/audit/verify", {
    success: HttpApiSchema.StreamNdjson({ schema: ProgressLine }),
    error: refusals(503)
  }),
  HttpApiEndpoint.post("verify", "/verify", {
    query: tenantQuery,
    success: HttpApiSchema.StreamNdjson({ schema: ProgressLine }),
    error: refusals(404, 503)
  }),
  HttpApiEndpoint.post("rebuild", "/rebuild", {
    success: HttpApiSchema.StreamNdjson({ schema: ProgressLine }),
    error: refusals(409, 503)
  })
).middleware(Operator) {}

/** Programs of others that read along, on either side. */
export class Tools extends HttpApiGroup.make("tools").add(
  /** Read-only NATS credentials for one tool, bound to a consumer of its own. Secret. On hosted with `tenant`. */
  HttpApiEndpoint.post("grantTool", "/tools/:name", {
    params: { name: Schema.String },
    payload: Schema.Struct({ tenant: Schema.optionalKey(Schema.String), days: Schema.optionalKey(Schema.Finite) }),
    success: Facts,
    error: refusals(404, 409, 503)
  }),
  HttpApiEndpoint.delete("revokeTool", "/tools/:name", {
    params: { name: Schema.String },
    query: tenantQuery,
    success: sentence,
    error: refusals(404, 503)
  })
).middleware(Operator) {}

/** What only a local backend does. */
export class Local extends HttpApiGroup.make("local").add(
  HttpApiEndpoint.post("pair", "/pair", {
    payload: Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(4096)) }),
    success: Registered,
    error: refusals(404, 409, 410, 429, 503)
  }),
  HttpApiEndpoint.post("unpair", "/unpair", { success: sentence, error: refusals(409, 503) }),
  HttpApiEndpoint.post("pause", "/pause", { success: sentence }),
  HttpApiEndpoint.post("resume", "/resume", { success: sentence, error: refusals(409, 410, 503) }),
  HttpApiEndpoint.post("resync", "/resync", {
    payload: Schema.Struct({ withheld: Schema.optionalKey(Schema.Boolean) }),
    success: sentence,
    error: refusals(409, 503)
  }),
  HttpApiEndpoint.post("confirm", "/peers/:peer_id/confirm", {
    params: { peer_id: Schema.String },
    success: sentence,
    error: refusals(404, 409, 503)
  }),
  HttpApiEndpoint.get("debug", "/debug", { success: Facts })
).middleware(Operator) {}

/** What only a hosted backend does, for its operator. */
export class Hosted extends HttpApiGroup.make("hosted").add(
  HttpApiEndpoint.post("enroll", "/enroll", {
    payload: Schema.Struct({ user: Schema.NonEmptyString.check(Schema.isMaxLength(256)) }),
    success: Schema.Struct({ code: Schema.String, user_id: Schema.String, tenant: Schema.String, expires_at: Schema.String }),
    error: refusals(409, 410, 503)
  }),
  HttpApiEndpoint.delete("revoke", "/peers/:peer_id", {
    params: { peer_id: Schema.String },
    query: { cause: Schema.optionalKey(Schema.Literals(["requested", "lost", "compromised"])) },
    success: sentence,
    error: refusals(404, 409, 503)
  }),
  /** Remove now what has been kept long enough; it happens by itself once a day. */
  HttpApiEndpoint.post("expire", "/expire", {
    query: tenantQuery,
    success: Schema.Struct({ conversations: Schema.Int, events: Schema.Int }),
    error: refusals(503)
  }),
  /** `folder`, `host`: where it is going to be written. Noted, so that an erasure can replace the keys there. */
  HttpApiEndpoint.get("backupPlan", "/backup", {
    query: { folder: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(4096))), host: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(255))) },
    success: BackupPlan,
    error: refusals(409, 503)
  }),
  HttpApiEndpoint.get("backupPart", "/backup/:part", {
    params: { part: Schema.String.check(Schema.isMaxLength(64)) },
    success: HttpApiSchema.StreamNdjson({ schema: BackupRow }),
    error: refusals(404, 409, 503)
  })
).middleware(Operator) {}
