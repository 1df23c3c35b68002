import { type Bytes, fromPem, toPem } from "./bytes.ts"
import { digestOf, hexDigestOf } from "./digest.ts"
import { Refused } from "./refused.ts"

/** The two RSA pairs of a backend: one signs (PSS), the other opens what is wrapped for it (OAEP). WebCrypto cannot do both with one. */
export interface KeyPairs {
  readonly signing: KeyPair
  readonly wrap: KeyPair
}

/** A pair whose private half never leaves WebCrypto, unless it was made `extractable`. */
export interface KeyPair {
  readonly privateKey: CryptoKey
  /** SPKI PEM. */
  readonly publicPem: string
}

const signingAlgorithm = { name: "RSA-PSS", hash: "SHA-256" } as const
const wrapAlgorithm = { name: "RSA-OAEP", hash: "SHA-256" } as const
const modulus = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) } as const

/** New RSA-2048 pairs. `extractable`: a keychain of texts keeps them as PKCS #8; where CryptoKeys can be kept, false. */
export const generateKeyPairs = async (extractable: boolean): Promise<KeyPairs> => {
  const [signing, wrap] = await Promise.all([
    crypto.subtle.generateKey({ ...signingAlgorithm, ...modulus }, extractable, ["sign", "verify"]),
    crypto.subtle.generateKey({ ...wrapAlgorithm, ...modulus }, extractable, ["encrypt", "decrypt"])
  ])
  return { signing: await pairOf(signing), wrap: await pairOf(wrap) }
}

const pairOf = async ({ privateKey, publicKey }: { readonly privateKey: CryptoKey; readonly publicKey: CryptoKey }): Promise<KeyPair> => ({
  privateKey,
  publicPem: toPem(new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)), "PUBLIC KEY")
})

/** An extractable private key as PKCS #8 PEM: for a keychain and nowhere else. */
export const exportPrivateKey = async (key: CryptoKey): Promise<string> => toPem(new Uint8Array(await crypto.subtle.exportKey("pkcs8", key)), "PRIVATE KEY")

/** A private key from its stored PKCS #8 PEM; not extractable any more. Throws `Refused`. */
export const importPrivateKey = async (pem: string, use: keyof KeyPairs): Promise<CryptoKey> => {
  const der = fromPem(pem, "PRIVATE KEY")
  if (der === undefined) throw keyRefused
  // the reason is left out: a parser's message may quote what it parsed
  return crypto.subtle.importKey("pkcs8", der, use === "signing" ? signingAlgorithm : wrapAlgorithm, false, use === "signing" ? ["sign"] : ["decrypt"])
    .catch(() => { throw keyRefused })
}

const keyRefused = new Refused("not an RSA key in PEM", "Put a copy of the key back, or make a new identity and join again.")

const derOf = (publicPem: string): Bytes => {
  const der = fromPem(publicPem, "PUBLIC KEY")
  if (der === undefined) throw keyRefused
  return der
}

/** A signing key of somebody else, ready to verify. Throws `Refused`. */
export const verifyingKey = (publicPem: string): Promise<CryptoKey> =>
  crypto.subtle.importKey("spki", derOf(publicPem), signingAlgorithm, false, ["verify"]).catch(() => { throw keyRefused })

/** base64url SHA-256 of the key's SPKI DER: `key_id`, and the fingerprint in a pairing code. Throws `Refused`. */
export const keyIdOf = (publicPem: string): Promise<string> => digestOf(derOf(publicPem))

/** A companion's id (`ios`, `android`, `web`, …): of its public signing key, so it cannot be taken by another. Throws `Refused`. */
export const companionBackendId = async (platform: string, publicPem: string): Promise<string> =>
  `${platform}_sha256_${await hexDigestOf(derOf(publicPem))}`
