import { fromBase64url, fromUtf8, join, utf8 } from "./bytes.ts"
import { Refused } from "./refused.ts"
import { type DataKey, dataKey } from "./sealing.ts"

const alg = "RSA-OAEP-256"
const enc = "A256GCM"

/**
 * The data key out of a compact JWE made for this wrap key. `wrapKeyId`: the id of its public half.
 * Throws `Refused`: made for another key, changed, or no data key at all. Register again to get a new one.
 */
export const unwrapDataKey = async (jwe: string, wrapKey: CryptoKey, wrapKeyId: string): Promise<DataKey> => {
  const [header = "", ...parts] = jwe.split(".")
  const [wrapped, iv, text, tag] = parts.map(fromBase64url)
  if (parts.length !== 4 || wrapped === undefined || iv === undefined || text === undefined || tag === undefined) throw refused
  const about = jsonOf(header)
  if (about["alg"] !== alg || about["enc"] !== enc || about["kid"] !== wrapKeyId) throw refused
  try {
    const contentKey = await crypto.subtle.importKey("raw", await crypto.subtle.decrypt({ name: "RSA-OAEP" }, wrapKey, wrapped), "AES-GCM", false, ["decrypt"])
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: utf8(header) }, contentKey, join(text, tag))
    const jwk: unknown = JSON.parse(fromUtf8(new Uint8Array(plain)) ?? "")
    if (typeof jwk !== "object" || jwk === null || !("kty" in jwk) || !("k" in jwk) || !("kid" in jwk)) throw refused
    const raw = jwk.kty === "oct" && typeof jwk.k === "string" ? fromBase64url(jwk.k) : undefined
    if (raw === undefined || typeof jwk.kid !== "string") throw refused
    return await dataKey(jwk.kid, raw)
  } catch {
    throw refused
  }
}

/** The id of the wrap key a compact JWE names; nothing of it is checked, and what is none names none. */
export const wrapKeyOf = (jwe: string): string | undefined => {
  try {
    const { kid } = jsonOf(jwe.split(".")[0] ?? "")
    return typeof kid === "string" ? kid : undefined
  } catch {
    return undefined
  }
}

const jsonOf = (header: string): Readonly<Record<string, unknown>> => {
  try {
    return JSON.parse(fromUtf8(fromBase64url(header) ?? new Uint8Array()) ?? "") as Readonly<Record<string, unknown>>
  } catch {
    throw refused
  }
}

const refused = new Refused("a wrapped data key cannot be opened", "Register again to get a new one.")
