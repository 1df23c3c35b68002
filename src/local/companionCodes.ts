import { Clock, Duration, Effect, Redacted, SubscriptionRef } from "effect"
import { randomBytes } from "node:crypto"
import { CommandFailed, type Companions } from "../../streams/Backend.ts"
import { backendIdPattern } from "../../streams/ids.ts"
import { isoTime } from "../../streams/time.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { digestOf, toBase64url } from "../security/digest.ts"
import { keyId } from "../security/keys.ts"
import { peerIdOf } from "../security/peerId.ts"
import { companionKey } from "../security/sessionToken.ts"
import type { State } from "./State.ts"

/** Long enough to find the browser window; a code seen over a shoulder is soon worth nothing. */
const codeLife = Duration.minutes(5)
/** Codes waiting at once; the oldest goes. */
const codesMax = 20

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const notPaired = failed(409, "not-paired", "This machine is not paired, so it has no companions yet: `maestra local pair CODE` first.")
const wrongCode = failed(401, "wrong-code", "The code is wrong, was used, or is older than five minutes. Make a new one with `maestra local open`.")

/**
 * One-time codes for whoever is at this machine. A code is kept as its digest, in memory only: after a restart a new one
 * is made. A companion gets the key K of the one backend id it names by it, and nothing that opens anything else; a code
 * made for the owner may instead open a session of the owner's.
 */
export const makeCompanionCodes = (context: { readonly self: Signer; readonly state: State }): Companions["Service"] => {
  const waiting = new Map<string, { readonly expires: number; readonly owner: boolean }>()
  const paired = Effect.suspend(() =>
    Effect.mapError(Effect.fromOption(SubscriptionRef.getUnsafe(context.state.paired)), () => notPaired))
  /** What a code was made for; it is used up by this. */
  const use = Effect.fnUntraced(function*(code: string) {
    const digest = digestOf(code)
    const held = waiting.get(digest)
    waiting.delete(digest)
    if (held === undefined || held.expires <= (yield* Clock.currentTimeMillis)) return yield* wrongCode
    return held
  })
  return {
    code: Effect.fnUntraced(function*({ owner }) {
      // an owner needs no other backend; a companion is one of a tenant's
      if (!owner) yield* paired
      const code = toBase64url(randomBytes(32))
      const expires = (yield* Clock.currentTimeMillis) + Duration.toMillis(codeLife)
      waiting.set(digestOf(code), { expires, owner })
      if (waiting.size > codesMax) waiting.delete(waiting.keys().next().value!)
      return { code, expires_at: isoTime(expires) }
    }),
    redeem: Effect.fnUntraced(function*(code) {
      if (!(yield* use(code)).owner) return yield* wrongCode
    }),
    exchange: Effect.fnUntraced(function*(code, backendId) {
      const { secrets, with: held } = yield* paired
      if (!backendIdPattern.test(backendId) || /^(local|hosted)_/.test(backendId)) return yield* failed(400, "malformed-identity", "backend_id is not a companion's: its platform, _sha256_, and the SHA-256 of its public key.")
      yield* use(code)
      return {
        key: toBase64url(companionKey(Redacted.value(secrets.secret), backendId)),
        peer_id: peerIdOf(held.tenant, backendId),
        tenant: held.tenant,
        user_id: held.user_id,
        local_backend_id: context.self.identity.backend_id,
        hosted_backend_id: held.hosted.backend_id,
        hosted_fingerprint: keyId(held.hosted.public_key),
        hosted_url: held.hosted_url
      }
    })
  }
}
