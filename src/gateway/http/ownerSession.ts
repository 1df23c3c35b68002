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

/** A token for the owner's browser. Nothing is kept of it: it holds as long as the local token does, at most eight hours. */
export const issueOwnerSession = (secret: string, now: number): OwnerSession => {
  const body = `${now + lifeMillis}.${randomBytes(16).toString("base64url")}`
  return { token: `owner.${body}.${macOf(secret, body).toString("base64url")}`, expires_at: isoTime(now + lifeMillis) }
}

/** Whether a bearer is meant to be one; session binding tokens have no dots. */
export const isOwnerSession = (bearer: string): boolean => pattern.test(bearer)

/** When a genuine one ends, milliseconds since 1970; `undefined`: it is not one of ours. */
export const ownerSessionEnd = (secret: string, bearer: string): number | undefined => {
  const [, until = "", nonce = "", mac = ""] = pattern.exec(bearer) ?? []
  return timingSafeEqual(macOf(secret, `${until}.${nonce}`), Buffer.from(mac.padEnd(43, "A"), "base64url")) ? Number(until) : undefined
}
