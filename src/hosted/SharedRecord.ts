import { Duration, Effect, Option, Result, Schedule, Schema, Stream, SubscriptionRef } from "effect"
import type { KeyValue } from "../nats/keyValue.ts"
import { decryptUnder, encryptUnder, type SecretKey } from "../security/secretKey.ts"
import { nextBump } from "./nextBump.ts"
import { TenantsUnavailable } from "./Tenants.ts"

/** One record that every hosted process holds a copy of: encrypted in the tenant store, followed live. */
export interface SharedRecord<A> {
  /** The newest this process has heard of; at most a moment old. */
  readonly held: SubscriptionRef.SubscriptionRef<A>
  /** Change it, on top of what every other process did before. The change may be tried several times. */
  readonly update: <E>(change: (record: A) => Result.Result<A, E>) => Effect.Effect<A, E | TenantsUnavailable>
  /** The loop that follows the store. Ends only by failing. */
  readonly run: Effect.Effect<never, TenantsUnavailable>
  /** The store was restored: what it says now counts, however old it looks. */
  readonly restored: Effect.Effect<void>
}

/** Each failed attempt means that another process succeeded. */
const attemptsMax = 50

/** The record under `key`, `empty` while nobody has written it. Read once before it is returned. */
export const openSharedRecord = Effect.fn("SharedRecord.open")(function*<A>(store: KeyValue, storeKey: SecretKey, about: { readonly key: string; readonly schema: Schema.Codec<A>; readonly empty: A }) {
  const { key } = about
  const Stored = Schema.fromJsonString(about.schema)
  const held = yield* SubscriptionRef.make(about.empty)
  const rereads = yield* SubscriptionRef.make(0)
  let revision = 0

  const take = Effect.fnUntraced(function*(value: Uint8Array, at: number) {
    if (at <= revision) return
    const text = yield* Effect.fromResult(decryptUnder(storeKey, value, key)).pipe(Effect.mapError(unavailable(`${key} is encrypted under another key; start with the master key it was made with`)))
    const record = yield* Schema.decodeEffect(Stored)(text).pipe(Effect.mapError(unavailable(`${key} cannot be read by this version`)))
    revision = at
    yield* SubscriptionRef.set(held, record)
  })

  const fetch = store.get(key).pipe(
    Effect.mapError(silent),
    Effect.flatMap(Option.match({ onNone: () => Effect.void, onSome: (entry) => take(entry.value, entry.revision) })))

  const update = <E>(change: (record: A) => Result.Result<A, E>): Effect.Effect<A, E | TenantsUnavailable> =>
    Effect.gen(function*() {
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        if (attempt > 0) yield* fetch
        const before = SubscriptionRef.getUnsafe(held)
        const next = change(before)
        if (Result.isFailure(next)) return yield* Effect.fail(next.failure)
        if (next.success === before) return before
        const text = yield* Schema.encodeEffect(Stored)(next.success).pipe(Effect.orDie)
        const value = encryptUnder(storeKey, text, key)
        const written = yield* Effect.result(store.update(key, value, revision))
        if (Result.isSuccess(written)) {
          yield* take(value, written.success)
          return next.success
        }
        if (written.failure._tag === "KeyValueUnavailable") return yield* silent(written.failure)
      }
      return yield* new TenantsUnavailable({ hint: `Other processes keep changing ${key}; try again.`, cause: "conflict" })
    })

  const follow = store.watch.pipe(
    Stream.runForEach((entry) => entry._tag === "change" && entry.key === key && entry.value !== undefined ? take(entry.value, entry.revision) : Effect.void),
    // a cluster without a majority comes back; what is known serves until then
    Effect.retry({ schedule: Schedule.spaced(Duration.seconds(1)), while: ({ _tag }) => _tag === "KeyValueUnavailable" }),
    Effect.mapError((cause) => cause._tag === "TenantsUnavailable" ? cause : silent(cause)),
    Effect.andThen(Effect.die("the tenant store's watch ended")))

  yield* fetch
  return {
    held,
    update,
    run: follow.pipe(Effect.raceFirst(nextBump(rereads)), Effect.forever),
    restored: Effect.suspend(() => {
      revision = 0
      return SubscriptionRef.update(rereads, (n) => n + 1)
    })
  } satisfies SharedRecord<A>
})

const unavailable = (hint: string) => (cause: unknown) => new TenantsUnavailable({ hint, cause })
const silent = unavailable("the tenant store does not answer; try again")
