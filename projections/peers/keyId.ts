import { createHash } from "node:crypto"

/** `key_id` of an SPKI PEM: base64url SHA-256 of its DER. */
export const keyIdOf = (pem: string): string =>
  createHash("sha256").update(Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ""), "base64")).digest("base64url")
