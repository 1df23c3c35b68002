import { Redacted, Result, Schema } from "effect"
import { Digest } from "../../streams/ids.ts"
import { canonicalJson } from "./canonical.ts"
import { fromBase64url, sameBytes, sha256, toBase64url } from "./digest.ts"

/** What one more device needs to join: good once, for the first backend that uses it, for ten minutes. */
export interface PairingCode {
  /** Where the hosted backend answers: http or https, without user name or password. */
  readonly url: string
  /** `key_id` of the hosted backend's signing key: whoever answers at `url` must hold it. */
  readonly fingerprint: string
  readonly userId: string
  /** The device secret S: 32 bytes. */
  readonly secret: Redacted.Redacted<Uint8Array>
}

/** A text that is no pairing code this version can use. Nothing was sent anywhere. */
export class PairingCodeRefused extends Schema.TaggedError<PairingCodeRefused>()("PairingCodeRefused", {
  reason: Schema.Literals(["not-a-code", "mistyped", "newer-version", "malformed"]),
  hint: Schema.String
}) {}

const hints: Record<PairingCodeRefused["reason"], string> = {
  "not-a-code": "A pairing code begins with maestra-. Run `maestra hosted enroll USER` and copy what it prints.",
  mistyped: "The code was not copied whole, or a character is wrong. Copy it again, or scan the QR code.",
  "newer-version": "The code was made by a newer version. Update this device.",
  malformed: "The code's content makes no sense. Make a new one with `maestra hosted enroll USER`."
}
const refuse = (reason: PairingCodeRefused["reason"]) => Result.fail(new PairingCodeRefused({ reason, hint: hints[reason] }))

const start = "maestra-"
const version = 1
/** So many leading bytes of the content's SHA-256 follow it: one slip in four billion goes unnoticed. */
const checksumBytes = 4
/** A code has about 350 characters. */
const codeMaxLength = 4096

const isSecret = Schema.makeFilter<string>((text) => fromBase64url(text)?.length === 32 || "not 32 bytes")
const isUrl = Schema.makeFilter<string>((text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" || "not an http(s) URL"
})

const Content = Schema.Struct({
  v: Schema.Literal(version),
  url: Schema.String.check(Schema.isMaxLength(2048), isUrl),
  fingerprint: Digest,
  user_id: Schema.NonEmptyString.check(Schema.isMaxLength(256)),
  secret: Schema.String.check(isSecret)
})
const readContent = Schema.decodeUnknownResult(Content)

/** `maestra-` + base64url of the canonical JSON `{v, url, fingerprint, user_id, secret}` and its checksum. A secret: print it once, log it never. */
export const encodePairingCode = (code: PairingCode): string => {
  const content = Buffer.from(canonicalJson({
    v: version,
    url: code.url,
    fingerprint: code.fingerprint,
    user_id: code.userId,
    secret: toBase64url(Redacted.value(code.secret))
  }))
  return start + toBase64url(Buffer.concat([content, checksum(content)]))
}

const checksum = (content: Uint8Array): Uint8Array => sha256(content).subarray(0, checksumBytes)

/** Read a pairing code. Blanks and line breaks a terminal put in do not matter. */
export const decodePairingCode = (text: string): Result.Result<PairingCode, PairingCodeRefused> => {
  const code = text.length > codeMaxLength ? "" : text.replace(/\s+/g, "")
  if (!code.startsWith(start)) return refuse("not-a-code")
  const bytes = fromBase64url(code.slice(start.length))
  if (bytes === undefined || bytes.length <= checksumBytes) return refuse("mistyped")
  const content = bytes.subarray(0, -checksumBytes)
  if (!sameBytes(checksum(content), bytes.subarray(-checksumBytes))) return refuse("mistyped")
  let json: unknown
  try {
    json = JSON.parse(content.toString("utf8"))
  } catch {
    return refuse("malformed")
  }
  if (typeof json === "object" && json !== null && "v" in json && typeof json.v === "number" && json.v > version) return refuse("newer-version")
  const read = readContent(json)
  if (Result.isFailure(read)) return refuse("malformed")
  const { fingerprint, secret, url, user_id } = read.success
  return Result.succeed({ url, fingerprint, userId: user_id, secret: Redacted.make(new Uint8Array(Buffer.from(secret, "base64url"))) })
}
