import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { type AdminHolder, type OperatorSession, OperatorSessions } from "../../../../streams/Access.ts"
import { Audit } from "../../../../streams/Audit.ts"
import { opaqueId } from "../../../security/opaqueId.ts"
import { Api } from "../api.ts"
import { jsonOf, required } from "../body.ts"
import { bearerOf, Caller } from "../caller.ts"
import { checkCode, makeCodeTries } from "../codeTries.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { SessionEnded } from "../wire.ts"

const holder = Effect.map(Caller, ({ name = null, scope = "read" }): AdminHolder => ({ name, scope }))

/** One-time codes for an operator's browser, and the sessions they are used for. */
export const operatorSessionHandlers = HttpApiBuilder.group(Api, "operatorSessions", Effect.fn(function*(handlers) {
  const sessions = yield* OperatorSessions
  const audit = yield* Audit
  const tries = makeCodeTries()
  return handlers.handle("operatorCode", () =>
    Effect.gen(function*() {
      return json(yield* refused(sessions.code(yield* holder)), { status: 201 })
    })).handle("renewOperatorSession", ({ request }) =>
      Effect.gen(function*() {
        return json<OperatorSession>(yield* refused(sessions.renew(yield* holder, bearerOf(request))))
      })).handle("endOperatorSession", ({ query, request }) =>
      Effect.gen(function*() {
        const ended = query.all === undefined ? yield* refused(sessions.end(bearerOf(request))) : yield* refused(Effect.as(sessions.endAll(yield* holder), true))
        if (ended) yield* audit.record({ type: "admin_session.ended", data: {} })
        return json<typeof SessionEnded.Type>({ status: "ended" })
      })).handleRaw("operatorSession", ({ request }) =>
        Effect.gen(function*() {
          yield* tries(request)
          const code = yield* required(yield* jsonOf(request), "code", checkCode)
          const { holder, session } = yield* refused(Effect.tapError(sessions.open(code), ({ type }) => audit.count({ type: "session.refused", by: "nobody", data: { reason: type } })))
          yield* audit.record({ type: "admin_session.opened", by: holder.name === null ? "operator" : opaqueId("operator", holder.name), data: { scope: holder.scope } })
          return json<OperatorSession>(session)
        }))
}))
