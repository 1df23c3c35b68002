import { Clock, Effect, Option, Redacted, Result, Schema, SubscriptionRef } from "effect"
import { type Registered, RegistrationRefused, Registrar, selfTenant } from "../../streams/Backend.ts"
import { Identity } from "../../streams/events/peer.ts"
import type { BackendIdentity } from "../security/BackendIdentity.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { decodeBearer, type SessionToken, verifySessionToken } from "../security/sessionToken.ts"
import type { Paired } from "./Pairing.ts"
import type { State } from "./State.ts"

const refuse = (status: RegistrationRefused["status"], type: string, hint: string) => new RegistrationRefused({ status, type, hint })
const readIdentity = Schema.decodeUnknownResult(Identity)
const syncIntervalMs = 5000

/**
 * A local backend's side of registration: the hosted backend it is paired with may register here, as it
 * registered there. Its key is the one pinned at pairing; another one is refused.
 */
export const localRegistrar = (context: { readonly self: BackendIdentity["Service"]; readonly state: State; readonly httpUrl: string }): Registrar["Service"] => {
  const verify = (bearer: string, now: number): Result.Result<{ readonly token: SessionToken; readonly paired: Paired }, RegistrationRefused> => {
    const held = SubscriptionRef.getUnsafe(context.state.paired)
    if (Option.isNone(held)) return Result.fail(refuse(401, "not-paired", "This machine is not paired with a hosted backend, so nobody can register here."))
    const decoded = decodeBearer(bearer)
    if (Result.isFailure(decoded)) return Result.fail(refuse(401, "token-refused", decoded.failure.hint))
    const verified = verifySessionToken(decoded.success, {
      key: Redacted.value(held.value.secrets.secret),
      now,
      localBackendId: context.self.identity.backend_id,
      hostedBackendId: held.value.with.hosted.backend_id
    })
    return Result.isFailure(verified)
      ? Result.fail(refuse(401, "token-refused", verified.failure.hint))
      : Result.succeed({ token: verified.success, paired: held.value })
  }
  return Registrar.of({
    identity: context.self.identity,
    prove: context.self.prove,
    register: Effect.fnUntraced(function*(body): Effect.fn.Return<Registered, RegistrationRefused> {
      const { paired, token } = yield* Effect.fromResult(verify(body.sbt, yield* Clock.currentTimeMillis))
      const identity = readIdentity(body.backend_identity)
      if (Result.isFailure(identity)) return yield* refuse(400, "malformed-identity", identity.failure.message)
      if (identity.success.backend_id !== paired.with.hosted.backend_id) return yield* refuse(403, "other-backend", "Only the hosted backend this machine is paired with registers here.")
      if (identity.success.public_key !== paired.with.hosted.public_key) return yield* refuse(409, "other-key", "The hosted backend is known here by another key.")
      if (!verifyIdentityProof(body.backend_identity as Identity, token.signature, body.proof)) return yield* refuse(401, "proof-invalid", "The proof was not made with the key the identity names.")
      return {
        status: "renewed",
        peer_id: paired.with.peer_id,
        sync_endpoint: `${context.httpUrl}/sync/${paired.with.peer_id}`,
        telemetry_endpoint: `${context.httpUrl.replace(/^http/, "ws")}/telemetry/${paired.with.peer_id}`,
        sync_interval_ms: syncIntervalMs,
        expires_at: token.expires_at
      }
    }),
    authenticate: (bearer) =>
      Effect.gen(function*() {
        const { paired, token } = yield* Effect.fromResult(verify(bearer, yield* Clock.currentTimeMillis))
        return { tenant: selfTenant, backendId: token.local_backend_id, userId: paired.with.user_id }
      })
  })
}
