import { type Bytes, fromBase64url, fromUtf8, sameBytes } from "./bytes.ts"
import { sha256 } from "./digest.ts"
import { Refused } from "./refused.ts"

/** What one more device needs to join a hosted backend: good once, for ten minutes. */
export interface PairingCode {
  readonly url: string
  /** `key_id` of the hosted backend's signing key: whoever answers at `url` must hold it. */
  readonly fingerprint: string
  readonly userId: string
  /** The device secret S: 32 bytes. */
  readonly secret: Bytes
}

const start = "maestra-"
const checksumBytes = 4

/** Read a pairing code; blanks and line breaks do not matter. Throws `Refused`. */
export const decodePairingCode = async (text: string): Promise<PairingCode> => {
  const code = text.replace(/\s+/g, "")
  const bytes = code.startsWith(start) ? fromBase64url(code.slice(start.length)) : undefined
  if (bytes === undefined || bytes.length <= checksumBytes) throw new Refused("not a pairing code", "A pairing code begins with maestra-. Copy it again, whole.")
  const content = bytes.slice(0, -checksumBytes)
  if (!sameBytes((await sha256(content)).subarray(0, checksumBytes), bytes.subarray(-checksumBytes))) {
    throw new Refused("the pairing code is mistyped", "Copy it again, or scan the QR code.")
  }
  const read: unknown = JSON.parse(fromUtf8(content) ?? "null")
  const field = (name: string): string => {
    const value: unknown = typeof read === "object" && read !== null ? Reflect.get(read, name) : undefined
    if (typeof value !== "string") throw new Refused("the pairing code's content makes no sense", "Make a new one, or update this device.")
    return value
  }
  return { url: field("url"), fingerprint: field("fingerprint"), userId: field("user_id"), secret: fromBase64url(field("secret")) ?? new Uint8Array() }
}
