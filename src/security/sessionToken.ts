import { randomBytes } from "node:crypto"
import { Duration, Result, Schema } from "effect"
import { BackendId, Time } from "../../streams/ids.ts"
import { sessionHoursMax } from "../../streams/limits.ts"
import { canonicalJson } from "./canonical.ts"
import { fromBase64url, hmac, sameBytes, toBase64url } from "./digest.ts"
import { contexts } from "./signing.ts"

export const tokenLifeMax = Duration.hours(sessionHoursMax)
/** How far ahead of ours the other side's clock may be. */
const clockSkewMax = Duration.seconds(60)
/** A bearer has about 700 characters. */
const bearerMaxLength = 4096

const wellFormed = Schema.makeFilter<string>((text) => text.isWellFormed() || "has a lone surrogate")

const claims = {
  session_id: Schema.NonEmptyString.check(Schema.isMaxLength(256), wellFormed),
  local_backend_id: BackendId,
  hosted_backend_id: BackendId,
  user_id: Schema.NonEmptyString.check(Schema.isMaxLength(256), wellFormed),
  created_at: Time,
  expires_at: Time
}
const Claims = Schema.Struct(claims)

/** What a session binding token says, before it is signed. */
export type SessionClaims = typeof Claims.Type

/** Session binding token: ties a session, two backends and a user together for at most eight hours. */
export const SessionToken = Schema.Struct({ ...claims, signature: Schema.String.check(Schema.isPattern(/^[0-9a-f]{64}$/)) })
export type SessionToken = typeof SessionToken.Type

/** A session binding token that does not hold. Nothing was done on its behalf. */
export class TokenRefused extends Schema.TaggedError<TokenRefused>()("TokenRefused", {
  reason: Schema.Literals(["malformed", "other-backends", "wrong-mac", "too-long", "from-the-future", "expired"]),
  hint: Schema.String
}) {}

const hints: Record<TokenRefused["reason"], string> = {
  malformed: "This is not a session binding token. Start the session again.",
  "other-backends": "This token is for another pair of backends. Start the session with this one.",
  "wrong-mac": "The token was changed, or made with another device's secret. Pair this device again if it goes on.",
  "too-long": "A session lasts at most 8 hours. Make a token that ends earlier.",
  "from-the-future": "The clock of the machine that asks is more than a minute ahead of this one's. Turn time synchronisation on, on both, and try again.",
  expired: "The session has ended. Start it again."
}
const refuse = (reason: TokenRefused["reason"]): Result.Result<never, TokenRefused> => Result.fail(new TokenRefused({ reason, hint: hints[reason] }))

const macOf = (token: SessionClaims, key: Uint8Array): Buffer =>
  hmac(key, canonicalJson({
    session_id: token.session_id,
    local_backend_id: token.local_backend_id,
    hosted_backend_id: token.hosted_backend_id,
    user_id: token.user_id,
    created_at: token.created_at,
    expires_at: token.expires_at
  }))

/** Sign the claims with a device's secret S, or a companion's key K. 32 bytes. */
export const createSessionToken = (about: SessionClaims, key: Uint8Array): SessionToken => ({
  ...about,
  signature: macOf(about, key).toString("hex")
})

/**
 * Whether a token holds here and now. `now` in milliseconds since 1970; the backends are the two this session
 * must be between. The MAC is compared in constant time, and before the times are looked at.
 */
export const verifySessionToken = (
  token: SessionToken,
  expected: { readonly key: Uint8Array; readonly now: number; readonly localBackendId: string; readonly hostedBackendId: string }
): Result.Result<SessionToken, TokenRefused> => {
  if (token.local_backend_id !== expected.localBackendId || token.hosted_backend_id !== expected.hostedBackendId) {
    return refuse("other-backends")
  }
  if (!sameBytes(macOf(token, expected.key), Buffer.from(token.signature, "hex"))) return refuse("wrong-mac")
  const created = Date.parse(token.created_at)
  const expires = Date.parse(token.expires_at)
  // also catches dates no calendar has, which read as NaN
  if (!(created <= expires)) return refuse("malformed")
  if (expires - created > Duration.toMillis(tokenLifeMax)) return refuse("too-long")
  if (created - expected.now > Duration.toMillis(clockSkewMax)) return refuse("from-the-future")
  return expected.now > expires ? refuse("expired") : Result.succeed(token)
}

/** The same with several keys, of which any will do: the present one first, then those in their grace. Answers which one it was. */
export const verifyWithAny = <K extends Uint8Array>(
  token: SessionToken,
  { keys, ...expected }: { readonly keys: ReadonlyArray<K>; readonly now: number; readonly localBackendId: string; readonly hostedBackendId: string }
): Result.Result<K, TokenRefused> => {
  let refusal: Result.Result<never, TokenRefused> = refuse("wrong-mac")
  for (const key of keys) {
    const verified = verifySessionToken(token, { ...expected, key })
    if (Result.isSuccess(verified)) return Result.succeed(key)
    if (verified.failure.reason !== "wrong-mac") refusal = Result.fail(verified.failure)
  }
  return refusal
}

/** A token as a bearer: base64url of the canonical JSON of all seven fields. */
export const encodeBearer = (token: SessionToken): string => toBase64url(Buffer.from(canonicalJson(token)))

const readToken = Schema.decodeUnknownResult(Schema.fromJsonString(SessionToken))

/** A bearer's token, not yet verified. Any text but exactly what `encodeBearer` writes is malformed. */
export const decodeBearer = (bearer: string): Result.Result<SessionToken, TokenRefused> => {
  const bytes = bearer.length > bearerMaxLength ? undefined : fromBase64url(bearer)
  if (bytes === undefined) return refuse("malformed")
  const token = readToken(bytes.toString("utf8"))
  return Result.isSuccess(token) && encodeBearer(token.success) === bearer ? Result.succeed(token.success) : refuse("malformed")
}

/** A companion's key K, from its local backend's device secret S. The companion never gets S. 32 bytes. */
export const companionKey = (secret: Uint8Array, companionBackendId: string): Uint8Array =>
  hmac(secret, contexts.companion + companionBackendId)

/** A session id that says which companion holds it: `sess_<its peer id>_<random>`, so that both sides find K. */
export const companionSessionId = (peerId: string): string => `sess_${peerId}_${randomBytes(16).toString("hex")}`

/** The companion's peer id in a session id; nothing for a device's own session. */
export const companionOfSession = (sessionId: string): string | undefined =>
  /^sess_(peer_[0-9a-f]{16})_[A-Za-z0-9_-]{1,64}$/.exec(sessionId)?.[1]

/** A device's own session id: `sess_<random>`. */
export const newSessionId = (): string => `sess_${randomBytes(16).toString("hex")}`
