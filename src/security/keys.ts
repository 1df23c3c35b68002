import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from "node:crypto"
import { promisify } from "node:util"
import { Effect, Redacted, Result, Schema } from "effect"
import { digestOf } from "./digest.ts"

/** A key this system does not work with. Nothing was signed or checked with it. */
export class KeyRefused extends Schema.TaggedError<KeyRefused>()("KeyRefused", { why: Schema.String }) {}

/** Smallest and largest RSA modulus, bits. Larger ones would let a stranger choose how long our checks take. */
const modulusMinBits = 2048
const modulusMaxBits = 4096
const exponent = 65_537n
/** A 4,096-bit SPKI PEM has 800 characters. */
const pemMaxLength = 2048
/** Parsed public keys kept: every active author of a hosted process; beyond, the one parsed first goes. */
const parsedMax = 4096

/** A public key read and checked. `id`: base64url SHA-256 of its SPKI DER. */
export interface PublicKey {
  readonly key: KeyObject
  readonly id: string
  readonly pem: string
}

/** An RSA pair. `privatePem` (PKCS #8) goes to a keystore and nowhere else. */
export interface KeyPair {
  readonly privateKey: KeyObject
  readonly privatePem: Redacted.Redacted<string>
  /** SPKI PEM. */
  readonly publicPem: string
}

const generate = promisify(generateKeyPair)

/** A new RSA-2048 pair. Takes 50 to 500 ms, off the main thread. */
export const generateKeys: Effect.Effect<KeyPair> = Effect.map(
  Effect.promise(() => generate("rsa", { modulusLength: modulusMinBits, publicExponent: Number(exponent) })),
  ({ privateKey }) => pairOf(privateKey)
)

const pairOf = (privateKey: KeyObject): KeyPair => ({
  privateKey,
  privatePem: Redacted.make(privateKey.export({ type: "pkcs8", format: "pem" }).toString()),
  publicPem: createPublicKey(privateKey).export({ type: "spki", format: "pem" }).toString()
})

/** A pair from its stored PKCS #8 PEM. */
export const readPrivateKey = (pem: Redacted.Redacted<string>): Result.Result<KeyPair, KeyRefused> => {
  let key: KeyObject
  try {
    key = createPrivateKey(Redacted.value(pem))
  } catch {
    // the reason is left out: a parser's message may quote what it parsed
    return Result.fail(new KeyRefused({ why: "not a private key" }))
  }
  const why = refusal(key)
  return why === undefined ? Result.succeed(pairOf(key)) : Result.fail(new KeyRefused({ why }))
}

const parsed = new Map<string, PublicKey>()

/** Read an SPKI PEM: RSA of 2,048 to 4,096 bits with exponent 65,537. Parsed once, then remembered. */
export const publicKey = (pem: string): Result.Result<PublicKey, KeyRefused> => {
  const known = parsed.get(pem)
  if (known !== undefined) return Result.succeed(known)
  const read = parse(pem)
  if (Result.isSuccess(read)) {
    if (parsed.size >= parsedMax) parsed.delete(parsed.keys().next().value!)
    parsed.set(pem, read.success)
  }
  return read
}

/**
 * base64url SHA-256 of the key's SPKI DER: `key_id`, and the fingerprint in a pairing code.
 * Throws `KeyRefused`: for keys nobody has checked yet ask `publicKey`.
 */
export const keyId = (pem: string): string => Result.getOrThrow(publicKey(pem)).id

const spkiPem = /^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*$/

const parse = (pem: string): Result.Result<PublicKey, KeyRefused> => {
  // createPublicKey also takes certificates and private keys, neither of which belongs here
  if (pem.length > pemMaxLength || !spkiPem.test(pem)) return Result.fail(new KeyRefused({ why: "not an SPKI PEM" }))
  let key: KeyObject
  try {
    key = createPublicKey(pem)
  } catch {
    return Result.fail(new KeyRefused({ why: "not a public key" }))
  }
  const why = refusal(key)
  return why === undefined
    ? Result.succeed({ key, id: digestOf(key.export({ type: "spki", format: "der" })), pem })
    : Result.fail(new KeyRefused({ why }))
}

const refusal = (key: KeyObject): string | undefined => {
  if (key.asymmetricKeyType !== "rsa") return `not an RSA key but ${key.asymmetricKeyType}`
  const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < modulusMinBits || modulusLength > modulusMaxBits) return `RSA of ${modulusLength} bits`
  return publicExponent === exponent ? undefined : "a public exponent other than 65537"
}
