import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { CompanionKey } from "../../../../streams/Backend.ts"
import { Operator, Tenant } from "../caller.ts"
import { refusals } from "../problems.ts"
import { endQuery, SessionEnded, Synced, SyncPayload } from "../wire.ts"

/** What registered peers that run no leaf node speak: docs/PROTOCOL.md. */
export class Sync extends HttpApiGroup.make("sync").add(
  HttpApiEndpoint.post("sync", "/sync/:peer_id", {
    params: { peer_id: Schema.String },
    payload: SyncPayload,
    success: Synced,
    error: refusals(409, 413, 429, 503, 507)
  })
).middleware(Tenant) {}

export const OwnerSession = Schema.Struct({ token: Schema.String, expires_at: Schema.String }).annotate({ identifier: "OwnerSession" })

/** How a companion gets its key from the machine it belongs to, and how the owner's browser gets in. */
export class Companions extends HttpApiGroup.make("companions").add(
  HttpApiEndpoint.post("code", "/companion-codes", {
    payload: Schema.Struct({ owner: Schema.optionalKey(Schema.Boolean).annotate({ description: "whether the code may also open a session of the owner's" }) }),
    success: Schema.Struct({ code: Schema.String, url: Schema.String, expires_at: Schema.String }).pipe(HttpApiSchema.status(201)),
    error: refusals(409)
  }).middleware(Operator),
  HttpApiEndpoint.post("key", "/companion-keys", {
    payload: Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(128)), backend_id: Schema.String.check(Schema.isMaxLength(128)) }),
    success: CompanionKey,
    error: refusals(401, 409, 413, 429)
  }),
  /** A code of `maestra local open` for a bearer token that may what the local token may, for eight hours. */
  HttpApiEndpoint.post("ownerSession", "/owner-sessions", {
    payload: Schema.Struct({ code: Schema.String.check(Schema.isMaxLength(128)) }),
    success: OwnerSession,
    error: refusals(401, 413, 429)
  }),
  /** Another one before this one ends, so that a page that stays open stays in. */
  HttpApiEndpoint.post("renewOwnerSession", "/owner-sessions/renew", { success: OwnerSession }).middleware(Operator),
  /** The session that asks opens nothing any more, nor do its open streams go on. `all`: nor any other. The local token stays. */
  HttpApiEndpoint.post("endOwnerSession", "/owner-sessions/end", { query: endQuery, success: SessionEnded, error: refusals(503) }).middleware(Operator)
) {}
