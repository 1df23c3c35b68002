import { fromBase64url, toBase64url, utf8 } from "./bytes.ts"
import { signedText } from "./canonical.ts"
import { contexts, type SigningContext } from "./contexts.ts"
import { verifyingKey } from "./keys.ts"

/** RSASSA-PSS, SHA-256, MGF1 with SHA-256, salt of 32 bytes. */
const pss = { name: "RSA-PSS", saltLength: 32 } as const

/** Sign a text in a context. base64url. */
export const sign = async (key: CryptoKey, context: SigningContext, text: string): Promise<string> =>
  toBase64url(new Uint8Array(await crypto.subtle.sign(pss, key, utf8(contexts[context] + text))))

/** Whether the holder of this key (SPKI PEM) signed this text in this context. False for keys and texts that are none. */
export const verify = async (publicPem: string, context: SigningContext, text: string, signature: string): Promise<boolean> => {
  const bytes = fromBase64url(signature)
  if (bytes === undefined) return false
  try {
    return await crypto.subtle.verify(pss, await verifyingKey(publicPem), bytes, utf8(contexts[context] + text))
  } catch {
    return false
  }
}

/** The object with its signature added. Throws `Refused` for what has no canonical JSON. */
export const signObject = async <A extends object>(key: CryptoKey, context: SigningContext, object: A): Promise<A & { readonly signature: string }> => ({
  ...object,
  signature: await sign(key, context, signedText(object))
})

/** Whether an object as it was received carries this key's signature over all of its other fields. */
export const verifyObject = async (publicPem: string, context: SigningContext, object: object): Promise<boolean> => {
  const signature = "signature" in object ? object.signature : undefined
  if (typeof signature !== "string") return false
  try {
    return await verify(publicPem, context, signedText(object), signature)
  } catch {
    return false
  }
}
