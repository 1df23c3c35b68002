import { Clock, Effect, Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { Companions } from "../../../../streams/Backend.ts"
import type { Check } from "../../checks.ts"
import { Doorkeeper } from "../access.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf, required } from "../body.ts"
import type { OwnerSession } from "../ownerSession.ts"
import { problem, refused } from "../problems.ts"
import { makeRateLimit } from "../rateLimit.ts"
import { json } from "../respond.ts"

/** Tries a second: a code has 256 bits, so this only keeps the noise down. */
const triesPerSecond = 10
const idMaxLength = 128
const checkText: Check = (value) => typeof value !== "string" || value.length > idMaxLength ? `is not a text of at most ${idMaxLength} characters` : undefined

/** One-time codes for companions, and the keys they are exchanged for. */
export const companionHandlers = HttpApiBuilder.group(Api, "companions", Effect.fn(function*(handlers) {
  const companions = yield* Companions
  const allow = makeRateLimit(triesPerSecond)
  const door = yield* Doorkeeper
  const tooOften = (request: HttpServerRequest.HttpServerRequest) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => allow(Option.getOrElse(request.remoteAddress, () => ""), now) ? Effect.void : Effect.fail(tooMany))
  return handlers.handle("renewOwnerSession", () => Effect.map(door.ownerSession, (session) => json<OwnerSession>(session))).handleRaw("code", ({ request }) =>
    Effect.gen(function*() {
      const { owner = false } = yield* jsonOf(request)
      if (typeof owner !== "boolean") return yield* invalid("owner", "owner is not true or false.", "Leave it out, or send true.")
      const { code, expires_at } = yield* refused(companions.code({ owner }))
      const host = request.headers["host"] ?? ""
      // in the fragment: a browser sends it to nobody
      return json({ code, url: `http://${host}/#code=${code}`, expires_at }, { status: 201 })
    })).handleRaw("key", ({ request }) =>
      Effect.gen(function*() {
        yield* tooOften(request)
        const body = yield* jsonOf(request)
        const code = yield* required(body, "code", checkText)
        const backendId = yield* required(body, "backend_id", checkText)
        return json(yield* refused(companions.exchange(code, backendId)))
      })).handleRaw("ownerSession", ({ request }) =>
      Effect.gen(function*() {
        yield* tooOften(request)
        const code = yield* required(yield* jsonOf(request), "code", checkText)
        yield* refused(companions.redeem(code))
        return json<OwnerSession>(yield* door.ownerSession)
      }))
}))

const tooMany = problem("rate-limited", `More than ${triesPerSecond} requests in a second.`, "Wait a second.", { retry_after_s: 1 })
