import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Audit } from "../../../../streams/Audit.ts"
import { HostedControl } from "../../../../streams/Backend.ts"
import { TenantData } from "../../../../streams/TenantData.ts"
import { type Check, checkId } from "../../checks.ts"
import { tenantNamed } from "../access.ts"
import { Api } from "../api.ts"
import { checked, jsonOf, required } from "../body.ts"
import { refused } from "../problems.ts"
import { json, ndjson } from "../respond.ts"

/** Characters of a user name, which the operator chooses. */
const userMaxLength = 256
const checkUser: Check = (value) =>
  typeof value !== "string" || value === "" || value.length > userMaxLength || !value.isWellFormed()
    ? `is not a name of 1 to ${userMaxLength} characters`
    : undefined

/** What the operator tells the hosted backend. */
export const hostedHandlers = HttpApiBuilder.group(Api, "hosted", Effect.fn(function*(handlers) {
  const control = yield* HostedControl
  const data = yield* TenantData
  const audit = yield* Audit
  return handlers.handleAll({
    revoke: ({ params, query }) =>
      Effect.gen(function*() {
        const peer = yield* checked("peer_id", params.peer_id, checkId)
        yield* refused(control.revoke(peer, query.cause ?? "requested"))
        return json({ sentence: `${peer} is revoked: nothing flows to or from it any more.` })
      }),
    expire: ({ query }) =>
      Effect.gen(function*() {
        const tenant = query.tenant === undefined ? undefined : yield* tenantNamed(query.tenant)
        const expired = yield* refused(data.expire(tenant))
        yield* audit.record({ type: "command.given", ...(tenant === undefined ? {} : { tenant }), data: { command: "expire" } })
        return json(expired)
      }),
    backupPlan: ({ query: { folder, host } }) =>
      Effect.map(refused(control.backupPlan(folder === undefined || host === undefined ? undefined : { folder, host })), (plan) => json(plan)),
    backupPart: ({ params }) => ndjson(control.backupPart(params.part))
  }).handleRaw("enroll", ({ request }) =>
    Effect.gen(function*() {
      const user = yield* required(yield* jsonOf(request), "user", checkUser)
      return json(yield* refused(control.enroll(user)))
    }))
}))
