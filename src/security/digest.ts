import { createHmac, hash, type KeyObject, timingSafeEqual } from "node:crypto"

/** SHA-256 of bytes, or of a text's UTF-8, as base64url without padding: 43 characters. */
export const digestOf = (data: Uint8Array | string): string => hash("sha256", data, "base64url")

/** SHA-256 as lower-case hex: 64 characters. */
export const hexDigestOf = (data: Uint8Array | string): string => hash("sha256", data, "hex")

/** SHA-256 as 32 bytes. */
export const sha256 = (data: Uint8Array | string): Uint8Array => hash("sha256", data, "buffer")

/** HMAC-SHA256, 32 bytes. */
export const hmac = (key: Uint8Array | KeyObject, data: Uint8Array | string): Buffer =>
  createHmac("sha256", key).update(data).digest()

/** Whether two byte strings are equal, in a time that tells nothing about where they differ. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b)

/** Bytes as base64url without padding. */
export const toBase64url = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url")

/**
 * The bytes of a base64url text, or nothing when it is not exactly what `toBase64url` writes.
 *
 * Node skips characters it does not know and ignores a last character's spare bits, so several texts would
 * read as the same bytes, and a changed signature would still verify.
 */
export const fromBase64url = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url")
  return bytes.toString("base64url") === text ? bytes : undefined
}
