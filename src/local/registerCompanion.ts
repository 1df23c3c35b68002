import { Clock, Effect, Redacted, Result, Schema } from "effect"
import { RegistrationRefused } from "../../streams/Backend.ts"
import type { RegisterPeer, Registered } from "../../streams/Registration.ts"
import { Identity } from "../../streams/events/peer.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { handoversAt, isFirstOf } from "../security/handovers.ts"
import { keyId, publicKey } from "../security/keys.ts"
import { peerIdOf } from "../security/peerId.ts"
import { verifyIdentityProof } from "../security/proofs.ts"
import { companionKey, companionOfSession, decodeBearer, type SessionToken, verifyWithAny } from "../security/sessionToken.ts"
import { toBase64url } from "../security/digest.ts"
import { dataKey, kidOf } from "../security/sealing.ts"
import { wrapDataKey } from "../security/wrapping.ts"
import type { CompanionStore } from "./companions.ts"
import { isoTime } from "../../streams/time.ts"
import { type Paired, sessionSecrets } from "./Pairing.ts"
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

/** Whether a companion's token holds here and now: made with a K of exactly this companion, which is answered. */
export const verifyCompanion = (
  context: Pick<CompanionContext, "self">,
  paired: Paired,
  token: SessionToken,
  companion: { readonly backendId: string; readonly now: number }
): Result.Result<Uint8Array, RegistrationRefused> => {
  if (companionOfSession(token.session_id) !== peerIdOf(paired.with.tenant, companion.backendId)) {
    return Result.fail(refuse(401, "other-backends", "The session is another companion's."))
  }
  return Result.mapError(
    verifyWithAny(token, {
      keys: sessionSecrets(paired.secrets, isoTime(companion.now)).map((secret) => companionKey(secret, companion.backendId)),
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
  const token = decoded.success
  const now = yield* Clock.currentTimeMillis
  const came = yield* Effect.fromResult(verifyCompanion(context, paired, token, { backendId: identity.backend_id, now }))
  // the identity as it was received: the proof is over all of its fields
  if (!verifyIdentityProof(body.backend_identity as Identity, token.signature, body.proof)) return yield* refuse(401, "proof-invalid", "The proof was not made with the key the identity names.")
  const peer = peerIdOf(paired.with.tenant, identity.backend_id)
  if (yield* context.tables.isRevoked(peer)) return yield* refuse(403, "revoked", "This companion was revoked. Make a new identity and open it again from the machine it belongs to.")
  const known = context.companions.of(peer)
  const standing = known === undefined ? "new" : standingOf(known.identity, peer, identity, now)
  if (standing === "other") return yield* refuse(409, "other-key", "This companion is registered with another key, and that one did not sign for this.")
  if (standing === "new" && !isFirstOf(identity.backend_id, peer, identity, now)) {
    return yield* refuse(400, "malformed-identity", "A companion's backend_id is its platform and the SHA-256 of its first public key.")
  }
  if (Result.isFailure(publicKey(identity.wrap_key))) return yield* refuse(400, "key-refused", "wrap_key is no RSA key.")
  const data_keys = yield* Effect.forEach(paired.secrets.dataKeys, (key) => wrapDataKey(key, identity.wrap_key)).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why)))
  yield* context.companions.keep({ backend_id: identity.backend_id, peer_id: peer, identity: standing === "in_grace" ? known!.identity : identity, expires_at: token.expires_at, forward: { backend_identity: body.backend_identity, sbt: body.sbt, proof: body.proof } }).pipe(
    Effect.mapError(({ hint }) => refuse(503, "try-again", hint)))
  yield* bump(context.state.companionsCame)
  const { log_epoch, log_id, tenant } = paired.with
  const present = companionKey(Redacted.value(paired.secrets.secret), identity.backend_id)
  const next = toBase64url(present) === toBase64url(came) ? {} : {
    session_key: {
      key: yield* wrapDataKey(dataKey(kidOf(tenant, paired.secrets.previous.length), present), identity.wrap_key).pipe(Effect.mapError(({ why }) => refuse(400, "key-refused", why))),
      grace_ends_at: paired.secrets.previous[0]?.until ?? token.expires_at
    }
  }
  return { status: known === undefined ? "registered" : "renewed", peer_id: peer, expires_at: token.expires_at, sealing: { tenant, data_keys, log_id, log_epoch }, ...next }
})

/** How a companion's identity stands to the one that is known: the same, a later one, one that was replaced and is in its grace, or another's. */
const standingOf = (known: Identity, peer: string, identity: Identity, now: number): "same" | "later" | "in_grace" | "other" => {
  if (known.public_key === identity.public_key) return "same"
  if (handoversAt(keyId(known.public_key), peer, identity, now) !== undefined) return "later"
  return (known.previous_keys ?? []).some(({ grace_ends_at, public_key }) => public_key === identity.public_key && isoTime(now) < grace_ends_at) ? "in_grace" : "other"
}
