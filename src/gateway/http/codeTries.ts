import { Clock, Effect, Option } from "effect"
import type { HttpServerRequest } from "effect/http"
import type { Check } from "../checks.ts"
import { type Problem, problem } from "./problems.ts"
import { makeRateLimit } from "./rateLimit.ts"

/** Tries a second: a code has 256 bits, so this only keeps the noise down. */
const triesPerSecond = 10
const codeMaxLength = 128

const tooMany = problem("rate-limited", `More than ${triesPerSecond} requests in a second.`, "Wait a second.", { retry_after_s: 1 })

export const checkCode: Check = (value) => typeof value !== "string" || value.length > codeMaxLength ? `is not a text of at most ${codeMaxLength} characters` : undefined

/** Holds up whoever tries codes faster than a person would. */
export const makeCodeTries = () => {
  const allow = makeRateLimit(triesPerSecond)
  return (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void, Problem> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => allow(Option.getOrElse(request.remoteAddress, () => ""), now) ? Effect.void : Effect.fail(tooMany))
}
