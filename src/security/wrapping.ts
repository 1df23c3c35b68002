import type { KeyObject } from "node:crypto"
import { Effect, Result, Schema } from "effect"
import { compactDecrypt, CompactEncrypt } from "jose"
import { fromBase64url, toBase64url } from "./digest.ts"
import { type KeyRefused, publicKey } from "./keys.ts"
import { type DataKey, dataKey, dataKeyBytes } from "./sealing.ts"

/** A wrapped data key this backend cannot take: made for another wrap key, changed, or no data key at all. Register again to get a new one. */
export class WrapRefused extends Schema.TaggedError<WrapRefused>()("WrapRefused", { why: Schema.String }) {}

const alg = "RSA-OAEP-256"
const enc = "A256GCM"
/** A wrapped key has about 600 characters. */
const wrappedMaxLength = 4096

const Jwk = Schema.Struct({ kty: Schema.Literal("oct"), k: Schema.String, kid: Schema.String })
const readJwk = Schema.decodeUnknownResult(Schema.fromJsonString(Jwk))

/** The data key as a compact JWE only the holder of this wrap key (SPKI PEM) can open; `kid` is that key's id. */
export const wrapDataKey = (key: DataKey, wrapKeyPem: string): Effect.Effect<string, KeyRefused> =>
  Effect.gen(function*() {
    const recipient = yield* Effect.fromResult(publicKey(wrapKeyPem))
    const jwk = Buffer.from(JSON.stringify({ kty: "oct", k: toBase64url(dataKeyBytes(key)), kid: key.kid }))
    return yield* Effect.promise(() =>
      new CompactEncrypt(jwk).setProtectedHeader({ alg, enc, kid: recipient.id }).encrypt(recipient.key)
    )
  })

/** The data key out of a compact JWE made for this pair. `wrapKeyId`: the id of the pair's public key. */
export const unwrapDataKey = (
  jwe: string,
  privateKey: KeyObject,
  wrapKeyId: string
): Effect.Effect<DataKey, WrapRefused> =>
  Effect.gen(function*() {
    if (jwe.length > wrappedMaxLength) return yield* new WrapRefused({ why: "too long" })
    const opened = yield* Effect.tryPromise({
      try: () => compactDecrypt(jwe, privateKey, { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: [enc] }),
      catch: () => new WrapRefused({ why: "it was made for another key, or changed" })
    })
    if (opened.protectedHeader.kid !== wrapKeyId) return yield* new WrapRefused({ why: "it names another wrap key" })
    const jwk = readJwk(Buffer.from(opened.plaintext).toString("utf8"))
    // the schema's own message would quote the key
    if (Result.isFailure(jwk)) return yield* new WrapRefused({ why: "its content is no symmetric JWK" })
    const bytes = fromBase64url(jwk.success.k)
    return yield* Effect.try({
      try: () => dataKey(jwk.success.kid, bytes ?? new Uint8Array()),
      catch: () => new WrapRefused({ why: "its content is no data key of 32 bytes" })
    })
  })
