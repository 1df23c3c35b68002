import { type Bytes, toBase64url, toHex, utf8 } from "./bytes.ts"
import { contexts } from "./contexts.ts"

const bytesOf = (data: Bytes | string): Bytes => typeof data === "string" ? utf8(data) : data

/** SHA-256, 32 bytes. */
export const sha256 = async (data: Bytes | string): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytesOf(data)))

/** SHA-256 of bytes, or of a text's UTF-8, as base64url without padding: 43 characters. */
export const digestOf = async (data: Bytes | string): Promise<string> => toBase64url(await sha256(data))

/** SHA-256 as lower-case hex: 64 characters. */
export const hexDigestOf = async (data: Bytes | string): Promise<string> => toHex(await sha256(data))

/** HMAC-SHA256, 32 bytes. */
export const hmac = async (key: Bytes | CryptoKey, data: Bytes | string): Promise<Bytes> =>
  new Uint8Array(await crypto.subtle.sign("HMAC", key instanceof Uint8Array ? await hmacKey(key) : key, bytesOf(data)))

/** A key for `hmac` that WebCrypto keeps to itself. */
export const hmacKey = (key: Bytes): Promise<CryptoKey> => crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])

/** `ids` of a commit: SHA-256 of the ids of all journal events it covers, withheld ones too, in order. */
export const idsDigest = (ids: ReadonlyArray<string>): Promise<string> => digestOf(ids.join("\n"))

/** A companion's key K, from its local backend's device secret S. The companion never gets S. 32 bytes. */
export const companionKey = (secret: Bytes, companionBackendId: string): Promise<Bytes> => hmac(secret, contexts.companion + companionBackendId)

/** A backend registered with another: `peer_` + first 16 hex of SHA-256(tenant NUL backend_id), the same wherever it registers. */
export const peerIdOf = async (tenant: string, backendId: string): Promise<string> =>
  `peer_${(await hexDigestOf(`${tenant}\0${backendId}`)).slice(0, 16)}`
