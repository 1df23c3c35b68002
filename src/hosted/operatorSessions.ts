import { randomBytes } from "node:crypto"
import { Clock, Duration, Effect, Result } from "effect"
import { type AdminHolder, OperatorSessions } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import { hashOf, type KeptTokens, type Opening, sessionPrefix } from "./adminTokens.ts"
import type { SharedRecord } from "./SharedRecord.ts"

/** Long enough to find the browser window; a code seen over a shoulder is soon worth nothing. */
const codeLife = Duration.minutes(5)
/** A working day, as every session: a page that stays open renews. */
const sessionLife = Duration.hours(8)
/** Codes and sessions at once; those that ended do not count. */
const openingsMax = 1000
const secretBytes = 32

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const wrongCode = failed(401, "wrong-code", "The code is wrong, was used, or is older than five minutes. Make a new one with `maestra hosted open`.")
const tooMany = failed(409, "too-many-sessions", `${openingsMax} pages are let in already; the oldest sessions end within eight hours. Revoking an admin token ends those it let in.`)
const newSecret = (): string => randomBytes(secretBytes).toString("base64url")
const after = (now: number, life: Duration.Duration) => isoTime(now + Duration.toMillis(life))

/**
 * Codes and sessions lie with the admin tokens, by their hashes, so that each is good on every hosted process, a code is
 * used up once by all of them together, and both end with the token they came from.
 */
export const operatorSessions = (record: SharedRecord<KeptTokens>, publicUrl: string): OperatorSessions["Service"] => {
  const change = (next: (openings: ReadonlyArray<Opening>, now: number) => Result.Result<ReadonlyArray<Opening>, CommandFailed>) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      record.update((held): Result.Result<KeptTokens, CommandFailed> => {
        const live = (held.openings ?? []).filter(({ expires_at }) => now < millisOf(expires_at))
        return Result.map(next(live, now), (openings) => ({ ...held, openings }))
      })).pipe(Effect.catchTag("TenantsUnavailable", ({ hint }) => Effect.fail(failed(503, "try-again", hint))))

  const withOne = (openings: ReadonlyArray<Opening>, one: Opening) =>
    openings.length >= openingsMax ? Result.fail(tooMany) : Result.succeed([...openings, one])

  return {
    code: Effect.fnUntraced(function*({ name, scope }) {
      const code = newSecret()
      const expires_at = after(yield* Clock.currentTimeMillis, codeLife)
      yield* change((openings) => withOne(openings, { kind: "code", name, scope, hash: hashOf(code), expires_at }))
      return { code, public_url: publicUrl, expires_at }
    }),
    open: Effect.fnUntraced(function*(code) {
      const token = sessionPrefix + newSecret()
      const expires_at = after(yield* Clock.currentTimeMillis, sessionLife)
      let holder: AdminHolder | undefined
      yield* change((openings) => {
        const hash = hashOf(code)
        const used = openings.find((opening) => opening.hash === hash && opening.kind === "code")
        if (used === undefined) return Result.fail(wrongCode)
        holder = { name: used.name, scope: used.scope }
        return withOne(openings.filter((opening) => opening !== used), { ...used, kind: "session", hash: hashOf(token), expires_at })
      })
      return { session: { token, expires_at }, holder: yield* Effect.fromNullishOr(holder).pipe(Effect.orDie) }
    }),
    renew: Effect.fnUntraced(function*({ name, scope }, bearer) {
      const isSession = bearer.startsWith(sessionPrefix)
      const token = isSession ? bearer : sessionPrefix + newSecret()
      const hash = hashOf(token)
      const expires_at = after(yield* Clock.currentTimeMillis, sessionLife)
      yield* change((openings) => isSession
        ? Result.succeed(openings.map((opening) => opening.hash === hash ? { ...opening, expires_at } : opening))
        : withOne(openings, { kind: "session", name, scope, hash, expires_at }))
      return { token, expires_at }
    }),
    end: (bearer) => {
      if (!bearer.startsWith(sessionPrefix)) return Effect.succeed(false)
      const hash = hashOf(bearer)
      return Effect.as(change((openings) => Result.succeed(openings.filter((opening) => opening.hash !== hash))), true)
    },
    endAll: ({ name }) => Effect.asVoid(change((openings) => Result.succeed(openings.filter((opening) => opening.name !== name))))
  }
}
