import { isUtf8 } from "node:buffer"
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomFillSync } from "node:crypto"
import { Result, Schema } from "effect"
import { payloadMaxBytes } from "../../streams/limits.ts"
import { fromBase64url } from "./digest.ts"

/**
 * A sealed text that does not open. It was changed, cut, or sealed under another key; its bytes are untouched.
 *
 * `malformed`: no compact JWE. `wrong-algorithm`: its header is not exactly ours. `wrong-key`: sealed under
 * another `kid`. `altered`: the right key, but the text is not what was sealed.
 */
export class SealBroken extends Schema.TaggedError<SealBroken>()("SealBroken", {
  reason: Schema.Literals(["malformed", "wrong-algorithm", "wrong-key", "altered"])
}) {}

/** A tenant's data key, ready for use. `secret` never prints: Node shows a KeyObject without its bytes. */
export interface DataKey {
  /** `<tenant>.<n>`. */
  readonly kid: string
  readonly secret: KeyObject
  /** The protected header as it begins every text sealed under this key, with the empty second part. */
  readonly prefix: string
  /** Additional authenticated data (RFC 7516): the protected header's base64url, ASCII. */
  readonly aad: Uint8Array
}

const keyBytes = 32
const ivBytes = 12
const tagBytes = 16
const ivChars = 16
const tagChars = 22
const kidPattern = /^t_[a-z2-7]{16}\.[1-9]\d{0,8}$/

/** `kid` of a tenant's n-th data key, counted from 1. */
export const kidOf = (tenant: string, n: number): string => `${tenant}.${n}`

/** A data key from its 32 bytes. Throws RangeError for another length or a `kid` that is not `<tenant>.<n>`: a defect. */
export const dataKey = (kid: string, bytes: Uint8Array): DataKey => {
  if (bytes.length !== keyBytes) throw new RangeError(`a data key has ${keyBytes} bytes, not ${bytes.length}`)
  if (!kidPattern.test(kid)) throw new RangeError(`not a kid: ${JSON.stringify(kid.slice(0, 64))}`)
  const header = Buffer.from(`{"alg":"dir","enc":"A256GCM","kid":"${kid}"}`).toString("base64url")
  return { kid, secret: createSecretKey(bytes), prefix: `${header}..`, aad: Buffer.from(header) }
}

/** A new random data key. */
export const newDataKey = (kid: string): DataKey => dataKey(kid, randomFillSync(Buffer.alloc(keyBytes)))

/** The 32 bytes, for wrapping and storing encrypted. Never for logs. */
export const dataKeyBytes = (key: DataKey): Uint8Array => key.secret.export()

/** Random bytes are fetched for this many seals at once: one call to the system costs as much as a seal. */
const ivsAtOnce = 512
const ivs = Buffer.alloc(ivsAtOnce * ivBytes)
let ivNext = ivs.length
const nextIv = (): Buffer => {
  if (ivNext === ivs.length) {
    randomFillSync(ivs)
    ivNext = 0
  }
  // each slice is read once and its cipher text leaves before the pool is filled again
  return ivs.subarray(ivNext, ivNext += ivBytes)
}

/** Seal a text as a compact JWE, `dir` + `A256GCM`, with a fresh random IV. */
export const seal = (key: DataKey, plaintext: string): string => {
  const iv = nextIv()
  const cipher = createCipheriv("aes-256-gcm", key.secret, iv)
  cipher.setAAD(key.aad)
  // GCM is a stream: all of the cipher text comes from `update`, and `final` only closes the tag
  const text = cipher.update(plaintext, "utf8", "base64url") + cipher.final("base64url")
  return `${key.prefix}${iv.toString("base64url")}.${text}.${cipher.getAuthTag().toString("base64url")}`
}

/** Open a compact JWE sealed under this key. Never throws. */
export const open = (key: DataKey, jwe: string): Result.Result<string, SealBroken> => {
  if (!jwe.startsWith(key.prefix)) return Result.fail(new SealBroken({ reason: mismatch(jwe) }))
  const ivEnd = key.prefix.length + ivChars
  const tagStart = jwe.length - tagChars
  if (jwe.length > payloadMaxBytes || tagStart < ivEnd + 2 || jwe[ivEnd] !== "." || jwe[tagStart - 1] !== ".") return malformed
  const iv = fromBase64url(jwe.slice(key.prefix.length, ivEnd))
  const body = fromBase64url(jwe.slice(ivEnd + 1, tagStart - 1))
  const tag = fromBase64url(jwe.slice(tagStart))
  if (iv === undefined || body === undefined || tag === undefined) return malformed
  try {
    const decipher = createDecipheriv("aes-256-gcm", key.secret, iv, { authTagLength: tagBytes })
    decipher.setAAD(key.aad)
    decipher.setAuthTag(tag)
    const plain = decipher.update(body)
    decipher.final()
    return isUtf8(plain) ? Result.succeed(plain.toString("utf8")) : malformed
  } catch {
    return altered
  }
}

const malformed = Result.fail(new SealBroken({ reason: "malformed" }))
const altered = Result.fail(new SealBroken({ reason: "altered" }))

const exactHeader = /^\{"alg":"dir","enc":"A256GCM","kid":"([^"\\]{1,64})"\}$/
/** A header of ours has under 100 characters. */
const headerMaxChars = 256

const headerOf = (jwe: string): string | undefined => {
  const end = jwe.slice(0, headerMaxChars).indexOf(".")
  return end <= 0 ? undefined : fromBase64url(jwe.slice(0, end))?.toString("utf8")
}

/** Which data key a compact JWE asks for. Says nothing about whether it opens. */
export const sealedUnder = (jwe: string): Result.Result<string, SealBroken> => {
  const header = headerOf(jwe)
  if (header === undefined) return malformed
  const kid = exactHeader.exec(header)?.[1]
  return kid !== undefined && kidPattern.test(kid) ? Result.succeed(kid) : Result.fail(new SealBroken({ reason: "wrong-algorithm" }))
}

const mismatch = (jwe: string): SealBroken["reason"] => {
  const kid = sealedUnder(jwe)
  if (Result.isFailure(kid)) return kid.failure.reason
  return jwe[jwe.indexOf(".") + 1] === "." ? "wrong-key" : "malformed"
}
