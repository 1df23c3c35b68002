import * as jwt from "@nats-io/jwt"
import { Clock, Duration, Effect, Schema } from "effect"
import type { Connection } from "./Connection.ts"
import { defaultLogs, peersJwt, type Revocations } from "./hubAccounts.ts"
import { type HubSecrets, keyOf } from "./hubSecrets.ts"
import { leafLifetimeMax } from "./leafCredentials.ts"

/** The hub did not take the account update. The leaf may still be connected; ingest refuses the peer regardless. Try again. */
export class RevocationFailed extends Schema.TaggedError<RevocationFailed>()("RevocationFailed", { hint: Schema.String, cause: Schema.Defect() }) {}

const updateTimeout = Duration.seconds(5)

/** A token older than this has expired by itself, so its revocation need not be kept. Three times the longest life. */
const keptFor = 3 * leafLifetimeMax

/** What an update of the account came to. */
export interface Updated {
  /** All revocations now in force: keep them for `renderHubConfig`. */
  readonly revocations: Revocations
  /** False where it shares its second with what the hub held: a restarting hub then takes its configuration's account over this one, so it is to be issued once more in another second. */
  readonly lasts: boolean
}

/**
 * Revoke every token issued to these transport keys up to the given second (whole seconds since 1970)
 * and cut their live links. Adds to what the hub already holds, so two admins never undo one another's.
 */
export const revokeLeaf = (
  system: Connection,
  secrets: HubSecrets,
  revoked: Revocations,
  options: { readonly logs?: ReadonlyArray<string> } = {}
): Effect.Effect<Updated, RevocationFailed> =>
  Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const held = yield* heldAccount(system, secrets)
    const revocations = merge(held.revocations, revoked, Math.floor(now / 1000))
    const token = yield* peersJwt(secrets, { logs: options.logs ?? defaultLogs, revocations })
    const answer = yield* ask(system, "$SYS.REQ.CLAIMS.UPDATE", token)
    const update = decodeUpdate(answer)
    if (update?.data?.code !== 200) {
      return yield* new RevocationFailed({ hint: "The hub refused the account update: were the hub's secrets replaced since it started?", cause: answer })
    }
    return { revocations, lasts: accountIn(token).issuedAt !== held.issuedAt }
  })

/** What the running hub holds, from the account JWT it serves. */
export const currentRevocations = (system: Connection, secrets: HubSecrets): Effect.Effect<Revocations, RevocationFailed> =>
  Effect.map(heldAccount(system, secrets), ({ revocations }) => revocations)

const heldAccount = (system: Connection, secrets: HubSecrets) =>
  ask(system, `$SYS.REQ.ACCOUNT.${keyOf(secrets.peers).getPublicKey()}.CLAIMS.LOOKUP`, "").pipe(
    Effect.flatMap((text) => Effect.try({ try: () => accountIn(text), catch: failed("The hub answered with something that is not PEERS's account JWT.") }))
  )

/** Union, the later time winning; what all tokens have outlived is left out. */
export const merge = (held: Revocations, added: Revocations, now: number): Revocations => {
  const all = [...new Set([...Object.keys(held), ...Object.keys(added)])].sort()
  return Object.fromEntries(
    all.map((key): [string, number] => [key, Math.max(held[key] ?? 0, added[key] ?? 0)]).filter(([, since]) => since > now - keptFor / 1000)
  )
}

/** An account JWT's revocations and its second of issue, its signature checked. */
const accountIn = (token: string): { readonly revocations: Revocations; readonly issuedAt: number } => {
  const claims = jwt.decode<jwt.Account>(token)
  return { revocations: claims.nats.revocations ?? {}, issuedAt: claims.iat }
}

const ask = (system: Connection, subject: string, body: string) =>
  system.request(subject, new TextEncoder().encode(body), updateTimeout).pipe(
    Effect.map((bytes) => new TextDecoder().decode(bytes)),
    Effect.mapError(failed("The hub's system account did not answer. Is the hub up, and are these its system credentials?"))
  )

const failed = (hint: string) => (cause: unknown) => new RevocationFailed({ hint, cause })

const Update = Schema.Struct({ data: Schema.optionalKey(Schema.Struct({ code: Schema.Int })) })
const decodeUpdate = (text: string): typeof Update.Type | undefined => {
  try {
    return Schema.decodeSync(Schema.fromJsonString(Update))(text)
  } catch {
    return undefined
  }
}
