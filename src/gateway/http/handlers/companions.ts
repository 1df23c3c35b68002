import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Audit } from "../../../../streams/Audit.ts"
import { Companions } from "../../../../streams/Backend.ts"
import { Doorkeeper } from "../access.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf, required } from "../body.ts"
import { bearerOf } from "../caller.ts"
import { checkCode, makeCodeTries } from "../codeTries.ts"
import type { OwnerSession } from "../ownerSession.ts"
import { refused } from "../problems.ts"
import { json } from "../respond.ts"
import type { SessionEnded } from "../wire.ts"

/** One-time codes for companions and the keys they are exchanged for, and the sessions of the owner's pages. */
export const companionHandlers = HttpApiBuilder.group(Api, "companions", Effect.fn(function*(handlers) {
  const companions = yield* Companions
  const tries = makeCodeTries()
  const door = yield* Doorkeeper
  const audit = yield* Audit
  return handlers.handle("renewOwnerSession", ({ request }) => Effect.map(door.ownerSession(bearerOf(request)), (session) => json<OwnerSession>(session))).handle("endOwnerSession", ({ query, request }) =>
    Effect.gen(function*() {
      if (yield* refused(door.endOwnerSession(query.all === undefined ? bearerOf(request) : undefined))) yield* audit.record({ type: "owner_session.ended", data: {} })
      return json<typeof SessionEnded.Type>({ status: "ended" })
    })).handleRaw("code", ({ request }) =>
    Effect.gen(function*() {
      const { owner = false } = yield* jsonOf(request)
      if (typeof owner !== "boolean") return yield* invalid("owner", "owner is not true or false.", "Leave it out, or send true.")
      const { code, expires_at } = yield* refused(companions.code({ owner }))
      const host = request.headers["host"] ?? ""
      // in the fragment: a browser sends it to nobody
      return json({ code, url: `http://${host}/#code=${code}`, expires_at }, { status: 201 })
    })).handleRaw("key", ({ request }) =>
      Effect.gen(function*() {
        yield* tries(request)
        const body = yield* jsonOf(request)
        const code = yield* required(body, "code", checkCode)
        const backendId = yield* required(body, "backend_id", checkCode)
        return json(yield* refused(companions.exchange(code, backendId)))
      })).handleRaw("ownerSession", ({ request }) =>
      Effect.gen(function*() {
        yield* tries(request)
        const code = yield* required(yield* jsonOf(request), "code", checkCode)
        yield* refused(companions.redeem(code))
        return json<OwnerSession>(yield* door.ownerSession(""))
      }))
}))
