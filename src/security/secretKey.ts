import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomFillSync } from "node:crypto"
import { Result, Schema } from "effect"

/** A symmetric key of 32 bytes. Node prints a KeyObject without its bytes. */
export type SecretKey = KeyObject

/** A record that does not open under this key: made with another key, in another place, or changed. Its bytes are untouched. */
export class NotUnderThisKey extends Schema.TaggedError<NotUnderThisKey>()("NotUnderThisKey", { context: Schema.String }) {}

/** Keys of this module have this many bytes. */
export const secretKeyBytes = 32
/** First byte of every record: its layout, version 1. Then IV, cipher text, tag. */
const layout = 1
const ivBytes = 12
const tagBytes = 16
const prefix = "maestra-under-v1\0"

/** A key from its 32 bytes. Throws RangeError for another length: a defect. */
export const secretKey = (bytes: Uint8Array): SecretKey => {
  if (bytes.length !== secretKeyBytes) throw new RangeError(`a secret key has ${secretKeyBytes} bytes, not ${bytes.length}`)
  return createSecretKey(bytes)
}

export const newSecretKey = (): SecretKey => secretKey(randomFillSync(Buffer.alloc(secretKeyBytes)))

/**
 * AES-256-GCM under a key at rest. `context` says where the record belongs (its key in the store): it is
 * authenticated, so a record moved to another place does not open there. 29 bytes longer than the plain text.
 */
export const encryptUnder = (key: SecretKey, plain: Uint8Array | string, context: string): Uint8Array => {
  const iv = randomFillSync(Buffer.alloc(ivBytes))
  const cipher = createCipheriv("aes-256-gcm", key, iv)
  cipher.setAAD(Buffer.from(prefix + context))
  const bytes = typeof plain === "string" ? Buffer.from(plain) : plain
  return Buffer.concat([Buffer.of(layout), iv, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

/** The bytes of a record encrypted under this key for this context. Never throws. */
export const decryptBytesUnder = (key: SecretKey, record: Uint8Array, context: string): Result.Result<Uint8Array, NotUnderThisKey> => {
  if (record.length < 1 + ivBytes + tagBytes || record[0] !== layout) return Result.fail(new NotUnderThisKey({ context }))
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, record.subarray(1, 1 + ivBytes), { authTagLength: tagBytes })
    decipher.setAAD(Buffer.from(prefix + context))
    decipher.setAuthTag(record.subarray(record.length - tagBytes))
    const plain = decipher.update(record.subarray(1 + ivBytes, record.length - tagBytes))
    decipher.final()
    return Result.succeed(plain)
  } catch {
    return Result.fail(new NotUnderThisKey({ context }))
  }
}

/** `decryptBytesUnder` for a text. */
export const decryptUnder = (key: SecretKey, record: Uint8Array, context: string): Result.Result<string, NotUnderThisKey> =>
  Result.map(decryptBytesUnder(key, record, context), (bytes) => Buffer.from(bytes).toString("utf8"))
