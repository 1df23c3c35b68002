import { Clock, Effect, Result, Schema, SubscriptionRef } from "effect"
import { RegistrationRefused, Registrar, selfTenant } from "../../streams/Backend.ts"
import type { RegisterPeer, Registered } from "../../streams/Registration.ts"
import { Identity } from "../../streams/events/peer.ts"
import { handovers } from "../security/handovers.ts"
import { keyId } from "../security/keys.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { companionOfSession, decodeBearer, type SessionToken, verifyWithAny } from "../security/sessionToken.ts"
import type { ErasedPeople } from "./erasedPeople.ts"
import { isoTime } from "../../streams/time.ts"
import { type Paired, sessionSecrets } from "./Pairing.ts"
import { type CompanionContext, registerCompanion, verifyCompanion } from "./registerCompanion.ts"

const refuse = (status: RegistrationRefused["status"], type: string, hint: string) => new RegistrationRefused({ status, type, hint })
const readIdentity = Schema.decodeUnknownResult(Identity)
const syncIntervalMs = 5000

/**
 * A local backend's side of registration: the hosted backend it is paired with may register here, as it
 * registered there, by the key pinned at pairing; and companions, by the keys they were given here.
 */
export const localRegistrar = (context: CompanionContext & { readonly httpUrl: string; readonly erasedPeople: Pick<ErasedPeople, "of"> }): Registrar["Service"] => {
  const paired = Effect.suspend(() =>
    Effect.mapError(Effect.fromOption(SubscriptionRef.getUnsafe(context.state.paired)), () =>
      refuse(401, "not-paired", "This machine is not paired with a hosted backend, so nobody can register here.")))

  /** A companion of somebody who was erased is told so before its token is looked at: what that was made with is gone. */
  const refuseErased = (bearer: string): Effect.Effect<void, RegistrationRefused> => {
    const token = decodeBearer(bearer)
    const peer = Result.isSuccess(token) ? companionOfSession(token.success.session_id) : undefined
    const receipt = peer === undefined ? undefined : context.erasedPeople.of(peer)
    return receipt === undefined ? Effect.void : Effect.fail(new RegistrationRefused({ status: 410, type: "erased", hint: "This user's data was erased. What this companion holds of it goes too.", receipt }))
  }

  const verify = (held: Paired, bearer: string, now: number): Result.Result<SessionToken, RegistrationRefused> => {
    const decoded = decodeBearer(bearer)
    if (Result.isFailure(decoded)) return Result.fail(refuse(401, "token-refused", decoded.failure.hint))
    const verified = verifyWithAny(decoded.success, {
      keys: sessionSecrets(held.secrets, isoTime(now)),
      now,
      localBackendId: context.self.identity.backend_id,
      hostedBackendId: held.with.hosted.backend_id
    })
    return Result.isFailure(verified) ? Result.fail(refuse(401, "token-refused", verified.failure.hint)) : Result.succeed(decoded.success)
  }

  const registerHosted = Effect.fnUntraced(function*(held: Paired, body: RegisterPeer): Effect.fn.Return<Omit<Registered, keyof ReturnType<typeof endpoints>>, RegistrationRefused> {
    const token = yield* Effect.fromResult(verify(held, body.sbt, yield* Clock.currentTimeMillis))
    const identity = readIdentity(body.backend_identity)
    if (Result.isFailure(identity)) return yield* refuse(400, "malformed-identity", identity.failure.message)
    if (identity.success.backend_id !== held.with.hosted.backend_id) return yield* refuse(403, "other-backend", "Only the hosted backend this machine is paired with registers here, and companions with keys of their own.")
    if (handovers(keyId(held.with.hosted.public_key), "hosted", identity.success) === undefined) return yield* refuse(409, "other-key", "The hosted backend is known here by another key.")
    if (!verifyIdentityProof(body.backend_identity as Identity, token.signature, body.proof)) return yield* refuse(401, "proof-invalid", "The proof was not made with the key the identity names.")
    return { status: "renewed", peer_id: held.with.peer_id, expires_at: token.expires_at }
  })

  const endpoints = (peer: string) => ({
    sync_endpoint: `${context.httpUrl}/sync/${peer}`,
    telemetry_endpoint: `${context.httpUrl.replace(/^http/, "ws")}/telemetry/${peer}`,
    sync_interval_ms: syncIntervalMs
  })

  return Registrar.of({
    get identity() { return context.self.identity },
    prove: context.self.prove,
    register: (body) =>
      Effect.gen(function*() {
        yield* refuseErased(body.sbt)
        const held = yield* paired
        const token = decodeBearer(body.sbt)
        const isCompanion = Result.isSuccess(token) && companionOfSession(token.success.session_id) !== undefined
        const answer = yield* isCompanion ? registerCompanion(context, held, body) : registerHosted(held, body)
        const whole = { ...answer, ...endpoints(answer.peer_id) }
        const challenge = Result.isSuccess(token) ? token.success.signature : ""
        const { signature } = yield* context.self.signObject("registration", { ...whole, challenge })
        return { ...whole, signature }
      }),
    authenticate: (bearer) =>
      Effect.gen(function*() {
        yield* refuseErased(bearer)
        const held = yield* paired
        const now = yield* Clock.currentTimeMillis
        const decoded = decodeBearer(bearer)
        const peer = Result.isSuccess(decoded) ? companionOfSession(decoded.success.session_id) : undefined
        if (Result.isFailure(decoded) || peer === undefined) {
          const token = yield* Effect.fromResult(verify(held, bearer, now))
          return { tenant: selfTenant, backendId: token.local_backend_id, userId: held.with.user_id }
        }
        const companion = context.companions.of(peer)
        if (companion === undefined) return yield* refuse(401, "unknown-peer", "This companion is not registered here: POST /register-peer first.")
        yield* Effect.fromResult(verifyCompanion(context, held, decoded.success, { backendId: companion.backend_id, now }))
        if (yield* context.tables.isRevoked(peer)) return yield* refuse(403, "revoked", "This companion was revoked.")
        return { tenant: selfTenant, backendId: companion.backend_id, userId: held.with.user_id }
      })
  })
}
