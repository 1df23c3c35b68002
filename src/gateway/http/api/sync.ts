import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { CompanionKey } from "../../../../streams/Backend.ts"
import { Operator, Tenant } from "../caller.ts"
import { refusals } from "../problems.ts"
import { Synced, SyncPayload } from "../wire.ts"

/** What registered peers that run no leaf node speak: docs/PROTOCOL.md. */
export class Sync extends HttpApiGroup.make("sync").add(
  HttpApiEndpoint.post("sync", "/sync/:peer_id", {
    params: { peer_id: Schema.String },
    payload: SyncPayload,
    success: Synced,
    error: refusals(409, 413, 429, 503, 507)
  })
).middleware(Tenant) {}

/** How a companion gets its key from the machine it belongs to. */
export class Companions extends HttpApiGroup.make("companions").add(
  HttpApiEndpoint.post("code", "/companion-codes", {
    success: Schema.Struct({ code: Schema.String, url: Schema.String, expires_at: Schema.String }).pipe(HttpApiSchema.status(201)),
    error: refusals(409)
  }).middleware(Operator),
  HttpApiEndpoint.post("key", "/companion-keys", {
    payload: Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(128)), backend_id: Schema.String.check(Schema.isMaxLength(128)) }),
    success: CompanionKey,
    error: refusals(401, 409, 413, 429)
  })
) {}
