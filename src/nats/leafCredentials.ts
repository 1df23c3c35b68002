import * as jwt from "@nats-io/jwt"
import { createUser, fromPublic } from "@nats-io/nkeys"
import { Clock, Effect, Schema } from "effect"
import { sessionHoursMax } from "../../streams/limits.ts"
import { leafPermissions } from "./hubAccounts.ts"
import { keyOf, type PeersSigner, seedOf } from "./hubSecrets.ts"

/** What a peer sent as its transport key is not the public half of a user nkey. Nothing was issued. */
export class BadTransportKey extends Schema.TaggedError<BadTransportKey>()("BadTransportKey", { hint: Schema.String }) {}

/** No leaf token lives longer than a session binding token may, milliseconds. */
export const leafLifetimeMax = sessionHoursMax * 60 * 60 * 1000

/** Subscriptions one leaf may hold on the hub; a local backend needs about five. */
const leafSubscriptionsMax = 1000

/** A peer's own nkey, made once on its machine. The seed never leaves it; `publicKey` goes into `register-peer`. */
export const makeTransportKey: Effect.Effect<{ readonly seed: string; readonly publicKey: string }> = Effect.sync(() => {
  const key = createUser()
  return { seed: seedOf(key), publicKey: key.getPublicKey() }
})

/**
 * A leaf user for one peer, with exactly the permissions of `leafPermissions`, for the peer's own key.
 * `expiresAt` in milliseconds since 1970, cut to `leafLifetimeMax` from now and to whole seconds.
 * The JWT is no secret: without the seed nobody can use it.
 */
export const issueLeaf = (
  signer: PeersSigner,
  options: { readonly tenant: string; readonly peer: string; readonly transportKey: string; readonly expiresAt: number; readonly log: string }
): Effect.Effect<string, BadTransportKey> =>
  Effect.gen(function*() {
    if (!isUserPublicKey(options.transportKey)) {
      return yield* new BadTransportKey({ hint: "transport_key must be the public key of a NATS user nkey (U…, 56 characters)." })
    }
    const expiresAt = Math.min(options.expiresAt, (yield* Clock.currentTimeMillis) + leafLifetimeMax)
    return yield* Effect.promise(() =>
      jwt.encodeUser(
        `${options.tenant}-${options.peer}`,
        options.transportKey,
        keyOf(signer.peersSigning),
        {
          issuer_account: signer.peersAccount,
          subs: leafSubscriptionsMax,
          data: -1,
          payload: -1,
          ...leafPermissions(options),
          allowed_connection_types: ["LEAFNODE", "LEAFNODE_WS"]
        },
        { exp: Math.floor(expiresAt / 1000) }
      )
    )
  })

/** The credentials file nats-server wants: JWT and seed. Secret; write it with mode 0600. */
export const credsFile = (token: string, seed: string): string => new TextDecoder().decode(jwt.fmtCreds(token, keyOf(seed)))

const isUserPublicKey = (text: string): boolean => {
  if (!/^U[A-Z2-7]{55}$/.test(text)) return false
  try {
    return fromPublic(text).getPublicKey() === text
  } catch {
    return false
  }
}

/** The public half of a transport key, from its seed. */
export const transportPublicKey = (seed: string): string => keyOf(seed).getPublicKey()
