import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AdminTokens, type NewAdminToken } from "../../../../streams/Access.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { opaqueId } from "../../../security/opaqueId.ts"
import type { Check } from "../../checks.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf, required } from "../body.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"

const checkText: Check = (value) => typeof value !== "string" || value === "" ? "is not a name" : undefined

/** Admin tokens: made, listed, revoked. */
export const tokenHandlers = HttpApiBuilder.group(Api, "tokens", Effect.fn(function*(handlers) {
  const tokens = yield* AdminTokens
  const audit = yield* Audit
  return handlers.handleAll({
    listTokens: () => Effect.map(tokens.list, (list) => json({ tokens: list })),
    revokeToken: ({ params }) =>
      Effect.gen(function*() {
        yield* refused(tokens.revoke(params.name))
        yield* audit.record({ type: "admin_token.revoked", data: { token_id: opaqueId("operator", params.name) } })
        return json({ sentence: `The token ${params.name} opens nothing any more.` })
      })
  }).handleRaw("createToken", ({ request }) =>
    Effect.gen(function*() {
      const body = yield* jsonOf(request)
      const name = yield* required(body, "name", checkText)
      const { scope } = body
      if (scope !== "read" && scope !== "operate") return yield* invalid("scope", "scope is neither read nor operate.", "Send one of the two.")
      const made = yield* refused(tokens.create(name, scope))
      yield* audit.record({ type: "admin_token.made", data: { token_id: opaqueId("operator", name), scope } })
      return json<NewAdminToken>(made, { status: 201 })
    }))
}))
