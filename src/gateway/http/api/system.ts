import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup } from "effect/http-api"
import { Registered, RegisterPeer } from "../../../../streams/Registration.ts"
import { SessionToken } from "../../../security/sessionToken.ts"
import { refusals } from "../problems.ts"
import { Health, Proof } from "../wire.ts"

/** What anybody may ask: is it up, who is it, may I join. */
export class System extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("health", "/health", { success: Health }),
  HttpApiEndpoint.get("identity", "/identity", {
    query: { challenge: Schema.optionalKey(Schema.String) },
    success: Proof,
    error: refusals(429)
  }),
  HttpApiEndpoint.post("registerPeer", "/register-peer", {
    payload: Schema.Struct({ ...RegisterPeer.fields, sbt: Schema.Union([RegisterPeer.fields.sbt, SessionToken]).annotate({ description: "the bearer, or the token itself" }) }),
    success: Registered,
    error: refusals(401, 403, 409, 410, 413, 429, 503)
  })
) {}
