import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Tools } from "../../../../streams/Access.ts"
import { selfTenant } from "../../../../streams/Backend.ts"
import { tenantNamed } from "../access.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf } from "../body.ts"
import { type Problem, refused } from "../problems.ts"
import { json } from "../respond.ts"

/** A grant that is not renewed ends by itself. */
const daysDefault = 30

const toolHandlers = (tenantOf: (given: string | undefined) => Effect.Effect<string, Problem>) =>
  HttpApiBuilder.group(Api, "tools", Effect.fn(function*(handlers) {
    const tools = yield* Tools
    return handlers.handleAll({
      revokeTool: ({ params, query }) =>
        Effect.gen(function*() {
          yield* refused(tools.revoke(yield* tenantOf(query.tenant), params.name))
          return json({ sentence: `${params.name} hears nothing any more.` })
        })
    }).handleRaw("grantTool", ({ params, request }) =>
      Effect.gen(function*() {
        const body = yield* jsonOf(request)
        const tenant = yield* tenantOf(typeof body["tenant"] === "string" ? body["tenant"] : undefined)
        const { days = daysDefault } = body
        if (typeof days !== "number") return yield* invalid("days", "days is not a number.", "Leave it out, or send how many days the grant shall last.")
        return json<object>(yield* refused(tools.grant(tenant, params.name, days)))
      }))
  }))

/** A local backend has one tenant. */
export const localTools = toolHandlers(() => Effect.succeed(selfTenant))
export const hostedTools = toolHandlers(tenantNamed)
