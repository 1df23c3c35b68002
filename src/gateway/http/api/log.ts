import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { Tenant, tenantQuery } from "../caller.ts"
import { refusals } from "../problems.ts"
import { Conflict, Digest, Facts, ImportConversation, Imported } from "../wire.ts"

/** Whole sets at once: everything in, everything out, and what happens meanwhile. */
export class Log extends HttpApiGroup.make("log").add(
  HttpApiEndpoint.get("conflicts", "/conflicts", {
    query: { limit: Schema.optionalKey(Schema.Int), cursor: Schema.optionalKey(Schema.String), ...tenantQuery },
    success: Schema.Struct({ conflicts: Schema.Array(Conflict), next_cursor: Schema.NullOr(Schema.String) })
  }),
  HttpApiEndpoint.post("import", "/import", {
    query: { surface: Schema.optionalKey(Schema.String) },
    payload: HttpApiSchema.StreamNdjson({ schema: ImportConversation }),
    success: Imported,
    error: refusals(413, 503, 507)
  }),
  HttpApiEndpoint.get("export", "/export", {
    query: tenantQuery,
    success: HttpApiSchema.StreamNdjson({ schema: ImportConversation })
  }),
  HttpApiEndpoint.get("digest", "/digest", { query: tenantQuery, success: Digest }),
  /** `from`: `start`, `now`, a cursor, or an ISO time; the `Last-Event-ID` of a browser that comes back wins. */
  HttpApiEndpoint.get("events", "/events", {
    query: { from: Schema.optionalKey(Schema.String), subject: Schema.optionalKey(Schema.String), ...tenantQuery },
    headers: { "last-event-id": Schema.optionalKey(Schema.String) },
    success: HttpApiSchema.StreamSse({ data: Facts })
  })
).middleware(Tenant) {}
