import { constants, type KeyObject, sign as signBytes, verify as verifyBytes } from "node:crypto"
import { Effect, Result } from "effect"
import { canonicalJson, tryCanonicalJson } from "./canonical.ts"
import { fromBase64url } from "./digest.ts"
import { publicKey } from "./keys.ts"
import { contexts, type SigningContext } from "./portable/contexts.ts"

export { contexts }
export type { SigningContext }

/** RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 32 bytes. */
const pss = (key: KeyObject) => ({ key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 })

const message = (context: SigningContext, text: string): Buffer => Buffer.from(contexts[context] + text)

/** Sign a text on this thread (about 1 ms). base64url. */
export const sign = (privateKey: KeyObject, context: SigningContext, text: string): string =>
  signBytes("sha256", message(context, text), pss(privateKey)).toString("base64url")

/** `sign` on a pool thread: the event loop goes on meanwhile. A failure is a defect: the key is ours. */
export const signAsync = (privateKey: KeyObject, context: SigningContext, text: string): Effect.Effect<string> =>
  Effect.callback<string>((resume) =>
    signBytes("sha256", message(context, text), pss(privateKey), (error, signature) =>
      resume(error === null ? Effect.succeed(signature.toString("base64url")) : Effect.die(error)))
  )

/** Whether the holder of this key (SPKI PEM) signed this text in this context. False for keys we refuse. */
export const verify = (publicPem: string, context: SigningContext, text: string, signature: string): boolean => {
  const key = publicKey(publicPem)
  const bytes = fromBase64url(signature)
  return Result.isSuccess(key) && bytes !== undefined && verifyPss(key.success.key, message(context, text), bytes)
}

/** The primitive under `verify`, for published test vectors. */
export const verifyPss = (key: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean =>
  verifyBytes("sha256", bytes, pss(key), signature)

/** The canonical text an object's signature is over: all of its fields, known or not, but `signature`. */
export const signedText = (object: object): string => canonicalJson({ ...object, signature: undefined })

/** The object with its signature added. Throws `NotCanonical`. */
export const signObject = <A extends object>(privateKey: KeyObject, context: SigningContext, object: A): A & { readonly signature: string } => ({
  ...object,
  signature: sign(privateKey, context, signedText(object))
})

/** `signObject` on a pool thread. */
export const signObjectAsync = <A extends object>(
  privateKey: KeyObject,
  context: SigningContext,
  object: A
): Effect.Effect<A & { readonly signature: string }> =>
  Effect.suspend(() =>
    Effect.map(signAsync(privateKey, context, signedText(object)), (signature) => ({ ...object, signature }))
  )

/** Whether an object as it was received carries this key's signature over all of its other fields. */
export const verifyObject = (publicPem: string, context: SigningContext, object: object): boolean => {
  const text = tryCanonicalJson({ ...object, signature: undefined })
  const signature = "signature" in object ? object.signature : undefined
  return Result.isSuccess(text) && typeof signature === "string" && verify(publicPem, context, text.success, signature)
}
