import { sessionHoursMax } from "../../../streams/limits.ts"
import { type Bytes, fromBase64url, fromUtf8, randomBytes, sameBytes, toBase64url, toHex, utf8 } from "./bytes.ts"
import { canonicalJson } from "./canonical.ts"
import { hmac, hmacKey } from "./digest.ts"

/** What a session binding token says, before it is signed. Times exactly `YYYY-MM-DDTHH:mm:ss.sssZ`. */
export interface SessionClaims {
  readonly session_id: string
  readonly local_backend_id: string
  readonly hosted_backend_id: string
  readonly user_id: string
  readonly created_at: string
  readonly expires_at: string
}

/** Session binding token: ties a session, two backends and a user together for at most eight hours. */
export interface SessionToken extends SessionClaims {
  /** Lower-case hex. */
  readonly signature: string
}

export const tokenLifeMaxMillis = sessionHoursMax * 3600 * 1000

const macOf = (token: SessionClaims, key: Bytes | CryptoKey): Promise<Bytes> =>
  hmac(key, canonicalJson({
    session_id: token.session_id,
    local_backend_id: token.local_backend_id,
    hosted_backend_id: token.hosted_backend_id,
    user_id: token.user_id,
    created_at: token.created_at,
    expires_at: token.expires_at
  }))

/** A device's secret S, or a companion's key K, so that it can sign tokens and cannot be read any more. */
export const importSessionKey = hmacKey

/** Sign the claims with a device's secret S, or a companion's key K. 32 bytes. */
export const createSessionToken = async (about: SessionClaims, key: Bytes | CryptoKey): Promise<SessionToken> => ({ ...about, signature: toHex(await macOf(about, key)) })

/** Whether this key made this token. Says nothing about its times. */
export const verifySessionToken = async (token: SessionToken, key: Bytes): Promise<boolean> =>
  sameBytes(utf8(toHex(await macOf(token, key))), utf8(token.signature))

/** A token as a bearer: base64url of the canonical JSON of all seven fields. */
export const encodeBearer = (token: SessionToken): string => toBase64url(utf8(canonicalJson(token)))

/** A bearer's token, not verified; nothing where it is none. */
export const decodeBearer = (bearer: string): SessionToken | undefined => {
  const text = fromUtf8(fromBase64url(bearer) ?? new Uint8Array())
  try {
    const token: unknown = JSON.parse(text ?? "")
    return isToken(token) && encodeBearer(token) === bearer ? token : undefined
  } catch {
    return undefined
  }
}

const fields = ["session_id", "local_backend_id", "hosted_backend_id", "user_id", "created_at", "expires_at", "signature"]
const isToken = (value: unknown): value is SessionToken =>
  typeof value === "object" && value !== null && Object.keys(value).length === fields.length && fields.every((field) => typeof Reflect.get(value, field) === "string")

/** A session id of a companion of a local backend: `sess_<its peer id>_<random>`, so that both sides find K. */
export const companionSessionId = (peerId: string): string => `sess_${peerId}_${toHex(randomBytes(16))}`

/** A device's own session id: `sess_<random>`. */
export const newSessionId = (): string => `sess_${toHex(randomBytes(16))}`
