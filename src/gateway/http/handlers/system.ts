import { Clock, Effect, Option, Result, Schema } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { Registrar } from "../../../../streams/Backend.ts"
import { RegisterPeer } from "../../../../streams/Registration.ts"
import { encodeBearer, SessionToken } from "../../../security/sessionToken.ts"
import { Api } from "../api.ts"
import { invalid, jsonOf } from "../body.ts"
import { problem, refused } from "../problems.ts"
import { makeRateLimit } from "../rateLimit.ts"
import { json } from "../respond.ts"
import { challengeMaxBytes, type Health, type Proof } from "../wire.ts"

/** Each answer with a challenge costs an RSA signature. */
const identitiesPerSecond = 10

const decodeBody = Schema.decodeUnknownEffect(RegisterPeer)
const readToken = Schema.decodeUnknownResult(SessionToken)

/** Health, identity, registration. `version`: of this program. */
export const systemHandlers = (version: string) =>
  HttpApiBuilder.group(Api, "system", Effect.fn(function*(handlers) {
    const registrar = yield* Registrar
    const { backend_id, backend_type } = registrar.identity
    const allow = makeRateLimit(identitiesPerSecond)
    return handlers.handleAll({
      health: () => Effect.succeed(json<typeof Health.Type>({ status: "ok", backend_id, backend_type, version })),
      identity: ({ query, request }) =>
        Effect.gen(function*() {
          const { challenge } = query
          if (!allow(Option.getOrElse(request.remoteAddress, () => ""), yield* Clock.currentTimeMillis)) return yield* tooMany
          if (challenge === undefined) return json<typeof Proof.Type>({ identity: registrar.identity, challenge: null, proof: null, signature: null })
          if (challenge === "" || !challenge.isWellFormed() || Buffer.byteLength(challenge) > challengeMaxBytes) return yield* badChallenge
          const proof = yield* registrar.prove(challenge)
          return json<typeof Proof.Type>({ identity: registrar.identity, challenge, proof, signature: proof })
        })
    }).handleRaw("registerPeer", ({ request }) =>
      Effect.gen(function*() {
        const body = yield* jsonOf(request)
        const peer = yield* Effect.mapError(decodeBody({ ...body, sbt: bearerOf(body["sbt"]) }), (error) =>
          invalid("", error.message.split("\n")[0]!.slice(0, 300), "Send backend_identity, sbt and proof as described in /openapi.json."))
        return json(yield* refused(registrar.register(peer)))
      }))
  }))

/** A session binding token as an object is as good as its bearer. */
const bearerOf = (sbt: unknown): unknown => Result.match(readToken(sbt), { onFailure: () => sbt, onSuccess: encodeBearer })

const tooMany = problem("rate-limited", `More than ${identitiesPerSecond} requests in a second.`, "Wait a second.", { retry_after_s: 1 })
const badChallenge = invalid("challenge", `challenge is not 1 to ${challengeMaxBytes} bytes of text.`, "Send a shorter random text.")
