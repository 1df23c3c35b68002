import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema } from "effect/http-api"
import { AdminScope, AdminToken, NewAdminToken } from "../../../../streams/Access.ts"
import { Operator } from "../caller.ts"
import { refusals } from "../problems.ts"

const byName = { name: Schema.String.check(Schema.isMaxLength(512)) }

/** Tokens for operators of hosted who do not sit at its machine. */
export class Tokens extends HttpApiGroup.make("tokens").add(
  /** The answer is the only place where the token ever stands. */
  HttpApiEndpoint.post("createToken", "/admin/tokens", {
    payload: Schema.Struct({ name: Schema.String, scope: AdminScope }),
    success: NewAdminToken.pipe(HttpApiSchema.status(201)),
    error: refusals(409, 503)
  }),
  HttpApiEndpoint.get("listTokens", "/admin/tokens", { success: Schema.Struct({ tokens: Schema.Array(AdminToken) }) }),
  HttpApiEndpoint.delete("revokeToken", "/admin/tokens/:name", {
    params: byName,
    success: Schema.Struct({ sentence: Schema.String }),
    error: refusals(404, 503)
  })
).middleware(Operator) {}
