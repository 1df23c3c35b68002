import { createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import { isoTime } from "../../../streams/time.ts"

/** A working day, as every session: a page that stays open renews. Milliseconds. */
const lifeMillis = 8 * 60 * 60 * 1000
const pattern = /^owner\.(\d{13})\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/

export interface OwnerSession {
  readonly token: string
  readonly expires_at: string
}

const macOf = (secret: string, body: string): Buffer => createHmac("sha256", secret).update(`maestra-owner-v1\0${body}`).digest()

/**
 * A token for the owner's browser: it holds as long as the local token does, at most eight hours, and no longer than its
 * session, which keeps its name when it is renewed. `session`: 16 random bytes, base64url; no secret.
 */
export const issueOwnerSession = (secret: string, now: number, session = randomBytes(16).toString("base64url")): OwnerSession => {
  const body = `${now + lifeMillis}.${session}`
  return { token: `owner.${body}.${macOf(secret, body).toString("base64url")}`, expires_at: isoTime(now + lifeMillis) }
}

/** Whether a bearer is meant to be one; session binding tokens have no dots. */
export const isOwnerSession = (bearer: string): boolean => pattern.test(bearer)

/** Which session a genuine one is of, since when and until when it holds, milliseconds since 1970; `undefined`: it is not one of ours. */
export const readOwnerSession = (secret: string, bearer: string): { readonly session: string; readonly issued: number; readonly end: number } | undefined => {
  const [, until = "", session = "", mac = ""] = pattern.exec(bearer) ?? []
  return timingSafeEqual(macOf(secret, `${until}.${session}`), Buffer.from(mac.padEnd(43, "A"), "base64url")) ? { session, issued: Number(until) - lifeMillis, end: Number(until) } : undefined
}
