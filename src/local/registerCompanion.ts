import { Clock, Effect, Redacted, Result, Schema } from "effect"
import { type RegisterPeer, type Registered, RegistrationRefused } from "../../streams/Backend.ts"
import { Identity } from "../../streams/events/peer.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { publicKey } from "../security/keys.ts"
import { isCompanionOf, peerIdOf } from "../security/peerId.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { companionKey, companionOfSession, decodeBearer, type SessionToken, verifySessionToken } from "../security/sessionToken.ts"
import { wrapDataKey } from "../security/wrapping.ts"
import type { CompanionStore } from "./companions.ts"
import type { Paired } from "./Pairing.ts"
import { bump, type State } from "./State.ts"
import type { Tables } from "./Tables.ts"

export interface CompanionContext {
  readonly self: Signer
  readonly state: State
  readonly tables: Tables
  readonly companions: CompanionStore
}

const refuse = (status: RegistrationRefused["status"], type: string, hint: string) => new RegistrationRefused({ status, type, hint })
const readIdentity = Schema.decodeUnknownResult(Identity)

/** Whether a companion's token holds here and now: made with the K of exactly this companion. */
export const verifyCompanion = (
  context: Pick<CompanionContext, "self">,
  paired: Paired,
  token: SessionToken,
  companion: { readonly backendId: string; readonly now: number }
): Result.Result<SessionToken, RegistrationRefused> => {
  if (companionOfSession(token.session_id) !== peerIdOf(paired.with.tenant, companion.backendId)) {
    return Result.fail(refuse(401, "other-backends", "The session is another companion's."))
  }
  return Result.mapError(
    verifySessionToken(token, {
      key: companionKey(Redacted.value(paired.secrets.secret), companion.backendId),
      now: companion.now,
      localBackendId: context.self.identity.backend_id,
      hostedBackendId: paired.with.hosted.backend_id
    }),
    ({ hint }) => refuse(401, "token-refused", hint))
}

/**
 * A companion registers at this machine. Its registration is good at the hosted side too, and is passed on there as it
 * came, so that what it writes here can be committed even where it never reaches the hosted side itself.
 */
export const registerCompanion = Effect.fnUntraced(function*(context: CompanionContext, paired: Paired, body: RegisterPeer): Effect.fn.Return<Omit<Registered, "sync_endpoint" | "telemetry_endpoint" | "sync_interval_ms">, RegistrationRefused> {
  const read = readIdentity(body.backend_identity)
  if (Result.isFailure(read)) return yield* refuse(400, "malformed-identity", read.failure.message)
  const identity = read.success
  const decoded = decodeBearer(body.sbt)
  if (Result.isFailure(decoded)) return yield* refuse(401, "token-refused", decoded.failure.hint)
  const token = yield* Effect.fromResult(verifyCompanion(context, paired, decoded.success, { backendId: identity.backend_id, now: yield* Clock.currentTimeMillis }))
  // the identity as it was received: the proof is over all of its fields
  if (!verifyIdentityProof(body.backend_identity as Identity, token.signature, body.proof)) return yield* refuse(401, "proof-invalid", "The proof was not made with the key the identity names.")
  const peer = peerIdOf(paired.with.tenant, identity.backend_id)
  if (yield* context.tables.isRevoked(peer)) return yield* refuse(403, "revoked", "This companion was revoked. Make a new identity and open it again from the machine it belongs to.")
  const known = context.companions.of(peer)
  if (known !== undefined && known.identity.public_key !== identity.public_key) return yield* refuse(409, "other-key", "This companion is registered with another key.")
  if (known === undefined && !isCompanionOf(identity.backend_id, identity.public_key)) {
    return yield* refuse(400, "malformed-identity", "A companion's backend_id is its platform and the SHA-256 of its public key.")
  }
  if (Result.isFailure(publicKey(identity.wrap_key))) return yield* refuse(400, "key-refused", "wrap_key is no RSA key.")
  const data_keys = yield* Effect.forEach(paired.secrets.dataKeys, (key) => wrapDataKey(key, identity.wrap_key)).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  yield* context.companions.keep({ backend_id: identity.backend_id, peer_id: peer, identity, expires_at: token.expires_at, forward: { backend_identity: body.backend_identity, sbt: body.sbt, proof: body.proof } }).pipe(
    Effect.mapError(({ hint }) => refuse(503, "try-again", hint)))
  yield* bump(context.state.companionsCame)
  const { log_epoch, log_id, tenant } = paired.with
  return { status: known === undefined ? "registered" : "renewed", peer_id: peer, expires_at: token.expires_at, sealing: { tenant, data_keys, log_id, log_epoch } }
})
