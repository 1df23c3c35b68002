/** Bytes backed by memory of their own, as WebCrypto takes them. */
export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** A text's UTF-8. A lone surrogate becomes U+FFFD: canonical JSON has refused such a text before. */
export const utf8 = (text: string): Bytes => encoder.encode(text)

/** The text of UTF-8 bytes, or nothing where they are none. */
export const fromUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** Bytes of one `String.fromCharCode` call: engines limit how many arguments a call may have. */
const chunk = 0x8000

const toBase64 = (bytes: Uint8Array): string => {
  let binary = ""
  for (let at = 0; at < bytes.length; at += chunk) binary += String.fromCharCode(...bytes.subarray(at, at + chunk))
  return btoa(binary)
}

const fromBase64 = (text: string): Bytes | undefined => {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** Bytes as base64url without padding. */
export const toBase64url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")

/** The bytes of a base64url text, or nothing when it is not exactly what `toBase64url` writes. */
export const fromBase64url = (text: string): Bytes | undefined => {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined
  const bytes = fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"))
  return bytes !== undefined && toBase64url(bytes) === text ? bytes : undefined
}

/** Lower-case hex. */
export const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")

/** DER as PEM, 64 characters a line, a line break at the end: what OpenSSL writes. */
export const toPem = (der: Uint8Array, label: "PUBLIC KEY" | "PRIVATE KEY"): string =>
  `-----BEGIN ${label}-----\n${toBase64(der).replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`

/** The DER in a PEM of that label, or nothing. */
export const fromPem = (pem: string, label: "PUBLIC KEY" | "PRIVATE KEY"): Bytes | undefined => {
  const body = new RegExp(`^-----BEGIN ${label}-----\\r?\\n([A-Za-z0-9+/=\\r\\n]+)-----END ${label}-----\\s*$`).exec(pem)?.[1]
  return body === undefined ? undefined : fromBase64(body.replace(/[\r\n]/g, ""))
}

export const join = (...parts: ReadonlyArray<Uint8Array>): Bytes => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Whether two byte strings are equal, in a time that tells nothing about where they differ. */
export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => {
  let difference = a.length ^ b.length
  for (let at = 0; at < a.length; at++) difference |= a[at]! ^ (b[at] ?? 0)
  return difference === 0
}

/** Random bytes of the platform's generator. */
export const randomBytes = (count: number): Bytes => crypto.getRandomValues(new Uint8Array(count))
