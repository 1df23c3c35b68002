import * as jwt from "@nats-io/jwt"
import { createAccount, createOperator, createUser, fromSeed, type KeyPair } from "@nats-io/nkeys"
import { Effect, Schema } from "effect"
import { randomBytes } from "node:crypto"
import { Time } from "../../streams/ids.ts"
import { subjects } from "../../streams/subjects.ts"

const seed = (kind: "SO" | "SA") => Schema.String.check(Schema.isPattern(new RegExp(`^${kind}[A-Z2-7]{56}$`)))

/**
 * Everything the hub's trust rests on, as nkey seeds in plain text. Only the admin role holds it;
 * whoever stores it encrypts it first. Losing it means no more account updates (revocations) and
 * a new hub; leaking it means anybody can make themselves a hosted process.
 */
export const HubSecrets = Schema.Struct({
  operator: seed("SO"),
  system: seed("SA"),
  store: seed("SA"),
  peers: seed("SA"),
  peersSigning: seed("SA"),
  /** How often the signing key was replaced, and since when the present one signs. */
  signing_count: Schema.optionalKey(Schema.Int),
  signing_since: Schema.optionalKey(Time),
  /** Public keys it had before, oldest first: what they signed holds until `until`. */
  signing_before: Schema.optionalKey(Schema.Array(Schema.Struct({ public_key: Schema.String, until: Time })))
})
export type HubSecrets = typeof HubSecrets.Type

/** What a hosted process without the admin role holds: it can issue leafs in PEERS, and nothing else. */
export const PeersSigner = Schema.Struct({
  peersSigning: seed("SA"),
  /** Public key of the account PEERS. */
  peersAccount: Schema.String.check(Schema.isPattern(/^A[A-Z2-7]{55}$/))
})
export type PeersSigner = typeof PeersSigner.Type

/** A NATS credentials file's text (secret) and the inbox prefix its owner must use. */
export interface Credentials {
  readonly creds: string
  readonly inboxPrefix: string
}

/** Fresh keys for a new hub. */
export const makeHubSecrets: Effect.Effect<HubSecrets> = Effect.sync(() => ({
    operator: seedOf(createOperator()),
    system: seedOf(createAccount()),
    store: seedOf(createAccount()),
    peers: seedOf(createAccount()),
    peersSigning: seedOf(createAccount())
  }))

export const peersSigner = (secrets: HubSecrets): PeersSigner => ({
  peersSigning: secrets.peersSigning,
  peersAccount: keyOf(secrets.peers).getPublicKey()
})

/**
 * For one hosted process: the account STORE, ordinary client connections only, own inbox prefix
 * `_INBOX.h_<random>` so that `isOwnReply` can tell its inboxes from anything a peer names.
 */
export const serviceCredentials = (secrets: HubSecrets): Effect.Effect<Credentials> => {
  const id = `h_${randomBytes(10).toString("hex")}`
  return clientCredentials(secrets.store, id, {})
}

/** For whoever watches a server's disk: it may tell how much room there is, and nothing else. Inbox prefix `_INBOX.d_<random>`. */
export const diskCredentials = (secrets: HubSecrets, server: string): Effect.Effect<Credentials> => {
  const id = `d_${randomBytes(10).toString("hex")}`
  return clientCredentials(secrets.store, id, { pub: { allow: [subjects.disk(server)] }, sub: { allow: [`_INBOX.${id}.>`] } })
}

/** For the admin role: the system account, from which account JWTs are updated. Inbox prefix `_INBOX.s_<random>`. */
export const systemCredentials = (secrets: HubSecrets): Effect.Effect<Credentials> => {
  const id = `s_${randomBytes(10).toString("hex")}`
  return clientCredentials(secrets.system, id, {
    pub: { allow: ["$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", "$SYS.REQ.SERVER.PING.>"] },
    sub: { allow: [`_INBOX.${id}.>`, "$SYS.ACCOUNT.>"] }
  })
}

/**
 * May a hosted process answer here? Only where the server rewrote the reply (a request from another
 * account) or a hosted process's own inbox: publish permissions do not cover reply subjects, so any
 * other reply is a subject a peer picked for us to write to.
 */
export const isOwnReply = (reply: string): boolean => /^(_R_\.|_INBOX\.h_[0-9a-f]{20}\.)/.test(reply)

export const keyOf = (seedText: string): KeyPair => fromSeed(new TextEncoder().encode(seedText))

export const seedOf = (key: KeyPair): string => new TextDecoder().decode(key.getSeed())

const clientCredentials = (accountSeed: string, id: string, permissions: Partial<jwt.Permissions>): Effect.Effect<Credentials> =>
  Effect.promise(async () => {
    const user = createUser()
    const token = await jwt.encodeUser(id, user, keyOf(accountSeed), {
      ...unlimited,
      ...permissions,
      allowed_connection_types: ["STANDARD", "WEBSOCKET"]
    })
    return { creds: new TextDecoder().decode(jwt.fmtCreds(token, user)), inboxPrefix: `_INBOX.${id}` }
  })

/** -1 means unlimited; leaving these out means zero. */
const unlimited = { subs: -1, data: -1, payload: -1 }
