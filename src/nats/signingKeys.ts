import { createAccount } from "@nats-io/nkeys"
import { Effect } from "effect"
import { type HubSecrets, keyOf, type PeersSigner, seedOf } from "./hubSecrets.ts"

/** The public half of what signs the tokens of links and tools: `iss` of each. */
export const signingKeyId = ({ peersSigning }: Pick<PeersSigner, "peersSigning">): string => keyOf(peersSigning).getPublicKey()

/** The secrets with another signing key; what the one before signed holds until `until` (ISO time). Nothing is in force yet. */
export const withNextSigningKey = (secrets: HubSecrets, { now, until }: { readonly now: string; readonly until: string }): Effect.Effect<HubSecrets> =>
  Effect.sync(() => ({
    ...secrets,
    peersSigning: seedOf(createAccount()),
    signing_count: (secrets.signing_count ?? 0) + 1,
    signing_since: now,
    signing_before: [...secrets.signing_before ?? [], { public_key: signingKeyId(secrets), until }]
  }))

/** The secrets without the signing keys whose grace has ended; the same ones where none has. */
export const withoutEnded = (secrets: HubSecrets, now: string): HubSecrets => {
  const before = (secrets.signing_before ?? []).filter(({ until }) => now < until)
  return before.length === (secrets.signing_before ?? []).length ? secrets : { ...secrets, signing_before: before }
}

/** Who signed a token (`iss`), unverified; nothing for what is no token. */
export const issuerOf = (jwt: string): string | undefined => {
  try {
    const claims: unknown = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"))
    const issuer: unknown = typeof claims === "object" && claims !== null ? Reflect.get(claims, "iss") : undefined
    return typeof issuer === "string" ? issuer : undefined
  } catch {
    return undefined
  }
}
