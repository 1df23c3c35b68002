import { Clock, Duration, Effect, Result, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import type { KeyRow, Rotated } from "../../streams/Access.ts"
import { CommandFailed } from "../../streams/Backend.ts"
import { Time } from "../../streams/ids.ts"
import { isoTime } from "../../streams/time.ts"
import { type HubSecrets, PeersSigner, peersSigner } from "../nats/hubSecrets.ts"
import type { KeyValue } from "../nats/keyValue.ts"
import type { RevocationFailed } from "../nats/revocation.ts"
import { signingKeyId, withNextSigningKey, withoutEnded } from "../nats/signingKeys.ts"
import { keyGrace } from "../security/handovers.ts"
import type { SecretKey } from "../security/secretKey.ts"
import { openSharedRecord, type SharedRecord } from "./SharedRecord.ts"
import { TenantsUnavailable } from "./Tenants.ts"

/**
 * What all processes sign links' and tools' tokens with. Whoever wants another key counts `wanted` up; the admin role, which
 * alone can change accounts, makes it, has the hub accept it, and only then puts it here as `signer`. Null before the first.
 */
const SharedSigner = Schema.Struct({
  wanted: Schema.Int,
  made: Schema.Int,
  signer: Schema.NullOr(PeersSigner),
  since: Schema.NullOr(Time),
  before: Schema.Array(Schema.Struct({ public_key: Schema.String, until: Time }))
})
export type SharedSigner = typeof SharedSigner.Type

export const openSharedSigner = (store: KeyValue, storeKey: SecretKey) =>
  openSharedRecord<SharedSigner>(store, storeKey, { key: "admin.signing-key", schema: SharedSigner, empty: { wanted: 0, made: 0, signer: null, since: null, before: [] } })

/** What to sign with now; `own` is what this process was started with. */
export const signerNow = (record: SharedRecord<SharedSigner>, own: PeersSigner) => (): PeersSigner => SubscriptionRef.getUnsafe(record.held).signer ?? own

export interface SigningRole {
  readonly record: SharedRecord<SharedSigner>
  readonly secrets: SubscriptionRef.SubscriptionRef<HubSecrets>
  /** In their place over a restart, before the hub hears of them. */
  readonly keep: (secrets: HubSecrets) => Effect.Effect<void>
  /** Have the running hub go by the secrets as they are. */
  readonly renewAccounts: Effect.Effect<void, RevocationFailed>
}

/** The end of a grace is noticed this late at most. */
const lookEvery = Duration.seconds(5)
const retryEvery = Duration.seconds(1)

/**
 * The admin role's part, for ever: make the key that is wanted, and drop those whose grace has ended. Stopped anywhere, the
 * next start goes on: the secrets are kept before the hub accepts the new key, and the hub does before anybody signs with it.
 */
export const keepSigning = Effect.fnUntraced(function*(role: SigningRole): Effect.fn.Return<never> {
  const { record, secrets } = role
  /** Which secrets the hub goes by, as far as this process has told it; it starts with those of its configuration. */
  let told = signingKeys(SubscriptionRef.getUnsafe(secrets))
  const set = Effect.fnUntraced(function*(next: HubSecrets) {
    yield* role.keep(next)
    yield* SubscriptionRef.set(secrets, next)
  })
  const step = Effect.gen(function*() {
    const now = yield* Clock.currentTimeMillis
    const wanted = SubscriptionRef.getUnsafe(record.held).wanted
    const held = withoutEnded(SubscriptionRef.getUnsafe(secrets), isoTime(now))
    const next = wanted > (held.signing_count ?? 0) ? yield* withNextSigningKey(held, { now: isoTime(now), until: isoTime(now + Duration.toMillis(keyGrace)) }) : held
    if (next !== SubscriptionRef.getUnsafe(secrets)) yield* set(next)
    if (signingKeys(next) !== told || wanted > SubscriptionRef.getUnsafe(record.held).made) {
      yield* role.renewAccounts
      told = signingKeys(next)
    }
    const { signing_before: before = [], signing_count: made = 0, signing_since: since = null } = next
    if (made === 0 && SubscriptionRef.getUnsafe(record.held).made === 0) return
    // a store or a folder that was put back: the hub goes by the folder
    yield* record.update((shared): Result.Result<SharedSigner, never> =>
      Result.succeed(shared.made === made && shared.before.length === before.length ? shared : { wanted: Math.max(shared.wanted, made), made, signer: peersSigner(next), since, before }))
  })
  for (;;) {
    yield* step.pipe(
      Effect.tapError(({ hint }) => Effect.logWarning("the hub's signing key is not in order yet; trying again", { hint })),
      Effect.retry(Schedule.spaced(retryEvery)),
      Effect.orDie)
    const { wanted } = SubscriptionRef.getUnsafe(record.held)
    yield* SubscriptionRef.changes(record.held).pipe(Stream.filter((held) => held.wanted !== wanted), Stream.runHead, Effect.timeoutOption(lookEvery))
  }
})

const signingKeys = (secrets: HubSecrets): string => [signingKeyId(secrets), ...(secrets.signing_before ?? []).map(({ public_key }) => public_key)].join()

/** The admin role answers within a second where it runs. */
const patience = Duration.seconds(10)

/** Ask for another signing key, and wait a little for it. */
export const rotateSigning = Effect.fnUntraced(function*(record: SharedRecord<SharedSigner>, own: PeersSigner): Effect.fn.Return<Rotated, CommandFailed> {
  const before = signingKeyId(signerNow(record, own)())
  const { wanted } = yield* record.update((held): Result.Result<SharedSigner, never> => Result.succeed(held.wanted > held.made ? held : { ...held, wanted: held.made + 1 })).pipe(
    Effect.catchTag("TenantsUnavailable", ({ hint }: TenantsUnavailable) => Effect.fail(new CommandFailed({ status: 503, type: "try-again", hint }))))
  yield* SubscriptionRef.changes(record.held).pipe(Stream.filter(({ made }) => made >= wanted), Stream.runHead, Effect.timeoutOption(patience))
  const held = SubscriptionRef.getUnsafe(record.held)
  const done = held.made >= wanted
  return {
    status: done ? "rotated" : "pending",
    which: "nats",
    key_id: done ? signingKeyId(signerNow(record, own)()) : before,
    previous_key_id: before,
    grace_ends_at: done ? held.before.at(-1)?.until ?? null : null,
    sentence: done
      ? "A new key signs the tokens of links and tools. Machines on the hub get theirs within seconds; what the old key signed holds for seven days more, so grant tools again before that."
      : "A new key was asked for, and the admin role, which alone can make the hub accept it, did not answer: it does so when it runs."
  }
})

/** For lists: the present key and those of before. */
export const signingRows = (record: SharedRecord<SharedSigner>, own: PeersSigner, now: string): ReadonlyArray<KeyRow> => {
  const { before, since } = SubscriptionRef.getUnsafe(record.held)
  return [
    ...before.map(({ public_key, until }): KeyRow => ({ kind: "nats", key_id: public_key, since: null, ends_at: until, status: now < until ? "in_grace" : "ended" })),
    { kind: "nats", key_id: signingKeyId(signerNow(record, own)()), since, ends_at: null, status: "current" }
  ]
}
