import { createHash, randomBytes } from "node:crypto"
import { Clock, Effect, Result, Schema, SubscriptionRef } from "effect"
import { AdminScope, AdminTokens } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { Digest, Time } from "../../streams/ids.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import type { KeyValue } from "../nats/keyValue.ts"
import type { SecretKey } from "../security/secretKey.ts"
import { openSharedRecord, type SharedRecord } from "./SharedRecord.ts"

/** A token at rest: what it is recognised by, never the token. One that was revoked keeps its name. */
const Kept = Schema.Struct({
  name: Schema.String,
  scope: AdminScope,
  /** SHA-256 of the token, base64url. The token is random enough that nothing slower is needed. */
  hash: Digest,
  created_at: Time,
  revoked_at: Schema.NullOr(Time)
})
type Kept = typeof Kept.Type

/** A code of `hosted open` or the session it was used for, at rest: whose it is, and until when it counts. */
const Opening = Schema.Struct({
  kind: Schema.Literals(["code", "session"]),
  /** `null`: whoever holds the token of a hosted machine itself. */
  name: Schema.NullOr(Schema.String),
  scope: AdminScope,
  hash: Digest,
  expires_at: Time
})
export type Opening = typeof Opening.Type

const KeptTokens = Schema.Struct({ tokens: Schema.Array(Kept), openings: Schema.optionalKey(Schema.Array(Opening)) })
export type KeptTokens = typeof KeptTokens.Type

/** Says at a glance, in a file or a chat where it should not be, what it is. */
const prefix = "maestra-admin-"
export const sessionPrefix = "maestra-session-"
const secretBytes = 32
const namePattern = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$/
/** Names ever used. */
const tokensMax = 1000

export const openAdminTokens = (store: KeyValue, storeKey: SecretKey) =>
  openSharedRecord<KeptTokens>(store, storeKey, { key: "admin.tokens", schema: KeptTokens, empty: { tokens: [] } })

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = ({ hint }: { readonly hint: string }) => failed(503, "try-again", hint)
export const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64url")

/** The tokens of operators who do not sit at the machine: good on every process, gone from every process. */
export const adminTokens = (record: SharedRecord<KeptTokens>): AdminTokens["Service"] => {
  const tokens = () => SubscriptionRef.getUnsafe(record.held).tokens
  return {
    create: Effect.fnUntraced(function*(name, scope) {
      if (!namePattern.test(name)) return yield* failed(400, "token-name", "A name has 1 to 64 letters, digits, spaces and ._@- and begins with a letter or digit.")
      const token = prefix + randomBytes(secretBytes).toString("base64url")
      const created_at = isoTime(yield* Clock.currentTimeMillis)
      yield* record.update((held): Result.Result<KeptTokens, CommandFailed> => {
        if (held.tokens.some((kept) => kept.name === name)) return Result.fail(failed(409, "token-exists", `There is or was a token ${name}; names are used once, so that the audit says whose it was.`))
        if (held.tokens.length >= tokensMax) return Result.fail(failed(409, "too-many-tokens", `There are ${tokensMax} tokens, revoked ones counted.`))
        return Result.succeed({ ...held, tokens: [...held.tokens, { name, scope, hash: hashOf(token), created_at, revoked_at: null }] })
      }).pipe(Effect.catchTag("TenantsUnavailable", (error) => Effect.fail(unavailable(error))))
      return { name, scope, token, created_at }
    }),
    list: Effect.sync(() => tokens().map(({ created_at, name, revoked_at, scope }) => ({ name, scope, created_at, revoked_at }))),
    revoke: Effect.fnUntraced(function*(name) {
      const at = isoTime(yield* Clock.currentTimeMillis)
      yield* record.update((held): Result.Result<KeptTokens, CommandFailed> => {
        const kept = held.tokens.find((token) => token.name === name)
        if (kept === undefined) return Result.fail(failed(404, "unknown-token", `There is no token ${name}; \`maestra hosted tokens list\` shows them.`))
        return Result.succeed(kept.revoked_at !== null ? held : {
          tokens: held.tokens.map((token) => token === kept ? { ...token, revoked_at: at } : token),
          // what it let in goes with it
          openings: (held.openings ?? []).filter((opening) => opening.name !== name)
        })
      }).pipe(Effect.catchTag("TenantsUnavailable", (error) => Effect.fail(unavailable(error))))
    }),
    // hashed first, so the time it takes says nothing about what is kept
    holder: (bearer, now) => {
      const { openings = [], tokens } = SubscriptionRef.getUnsafe(record.held)
      const hash = bearer.startsWith(prefix) || bearer.startsWith(sessionPrefix) ? hashOf(bearer) : undefined
      const kept = hash === undefined ? undefined : tokens.find((held) => held.hash === hash && held.revoked_at === null) ?? openings.find((held) => held.hash === hash && held.kind === "session" && now < millisOf(held.expires_at))
      return kept === undefined ? undefined : { name: kept.name, scope: kept.scope }
    }
  }
}
