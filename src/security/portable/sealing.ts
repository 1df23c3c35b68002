import { type Bytes, fromBase64url, fromUtf8, join, randomBytes, toBase64url, utf8 } from "./bytes.ts"
import { contexts } from "./contexts.ts"
import { hmac } from "./digest.ts"
import { Refused } from "./refused.ts"

/** A tenant's data key, ready for use. `raw` is a secret: never print it. */
export interface DataKey {
  /** `<tenant>.<n>`. */
  readonly kid: string
  readonly raw: Bytes
  readonly key: CryptoKey
  /** The protected header as it begins every text sealed under this key. */
  readonly header: string
}

const keyBytes = 32
const ivBytes = 12
const tagBytes = 16
const kidPattern = /^t_[a-z2-7]{16}\.[1-9]\d{0,8}$/

/** A data key from its 32 bytes. Throws `Refused` for another length or a `kid` that is not `<tenant>.<n>`. */
export const dataKey = async (kid: string, raw: Bytes): Promise<DataKey> => {
  if (raw.length !== keyBytes || !kidPattern.test(kid)) throw new Refused("no data key", "Register again to get a new one.")
  return {
    kid,
    raw,
    key: await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]),
    header: toBase64url(utf8(`{"alg":"dir","enc":"A256GCM","kid":"${kid}"}`))
  }
}

/** Seal a text as a compact JWE, `dir` + `A256GCM`. `iv` is given by tests only: a second text under one IV gives both away. */
export const seal = async (key: DataKey, plaintext: string, iv: Bytes = randomBytes(ivBytes)): Promise<string> => {
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: utf8(key.header) }, key.key, utf8(plaintext)))
  const end = sealed.length - tagBytes
  return `${key.header}..${toBase64url(iv)}.${toBase64url(sealed.subarray(0, end))}.${toBase64url(sealed.subarray(end))}`
}

/** The text of a compact JWE sealed under this key. Throws `Refused`. */
export const open = async (key: DataKey, jwe: string): Promise<string> => {
  const [header, empty, ...parts] = jwe.split(".")
  const [iv, text, tag] = parts.map(fromBase64url)
  const whole = parts.length === 3 && empty === "" && iv?.length === ivBytes && tag?.length === tagBytes && text !== undefined
  if (header !== key.header || !whole) throw broken
  const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv, additionalData: utf8(key.header) }, key.key, join(text, tag)).catch(() => { throw broken })
  const read = fromUtf8(new Uint8Array(plain))
  if (read === undefined) throw broken
  return read
}

const broken = new Refused("a sealed text does not open", "It was changed, or sealed under a key this device does not have.")

/** The name under which an outside id leaves when it is no token, or holds PII: `h_` + 43 characters. `key`: the tenant's first. */
export const sharedId = async (key: DataKey, id: string): Promise<string> => `h_${toBase64url(await hmac(key.raw, contexts.id + id))}`
