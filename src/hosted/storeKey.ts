import { Duration, Effect, Option, Result, Stream } from "effect"
import type { KeyConflict, KeyValue, KeyValueUnavailable } from "../nats/keyValue.ts"
import { decryptBytesUnder, encryptUnder, newSecretKey, type SecretKey } from "../security/secretKey.ts"

/** The keys the tenant store's records are encrypted under, as they are kept outside of it. */
export interface StoreKeys {
  readonly current: SecretKey
  /** While records are being encrypted anew: some are still under this one. */
  readonly previous: SecretKey | undefined
}

/** How the processes of a deployment keep and share them. */
export interface KeyShare {
  /** Keep them outside the store, synced, before anything is done with them; nothing where another process keeps them. */
  readonly keep: (keys: StoreKeys) => Effect.Effect<void>
  /** Tell every other process. */
  readonly tell: (keys: StoreKeys) => Effect.Effect<void>
  /** What another process holds; none where nobody answers. */
  readonly ask: Effect.Effect<Option.Option<StoreKeys>>
}

export interface RekeyedStore {
  /** The store with every record under `face`, a key of this process alone, whatever it is under in the store. */
  readonly store: KeyValue
  readonly face: SecretKey
  readonly keys: () => StoreKeys
  /** Whoever keeps the keys has others now. */
  readonly adopt: (keys: StoreKeys) => void
  /**
   * Encrypt all records under a new key, and destroy the old one: what JetStream's files still hold of earlier records,
   * of somebody who was erased since, opens with nothing. By whoever keeps the keys. Stopped half way, doing it again
   * completes it.
   */
  readonly turn: Effect.Effect<void, KeyValueUnavailable>
}

/** Entries that are no records: who has which tenant, by a keyed hash. */
const isPlain = (key: string): boolean => key.startsWith("user.")

/** A write that another process had encrypted when it heard of the new key is in the store within this. */
const onTheirWay = Duration.millis(500)
/** Whoever answered with older keys has heard of the new ones within this. */
const askEvery = Duration.millis(200)
const askTimes = 10

const plainUnder = ({ current, previous }: StoreKeys, key: string, value: Uint8Array) =>
  [current, ...previous === undefined ? [] : [previous]].map((secret) => decryptBytesUnder(secret, value, key)).find(Result.isSuccess)?.success

export const rekeyedStore = (inner: KeyValue, found: StoreKeys, share: KeyShare): RekeyedStore => {
  const face = newSecretKey()
  let keys = found
  /** The record under keys that this process was not told of: then somebody else knows them. */
  const plainByAsking = Effect.fnUntraced(function*(key: string, value: Uint8Array) {
    for (let times = 0; times < askTimes; times++) {
      const told = Option.getOrUndefined(yield* share.ask)
      if (told === undefined) return undefined
      const plain = plainUnder(told, key, value)
      if (plain !== undefined) {
        keys = told
        return plain
      }
      yield* Effect.sleep(askEvery)
    }
    return undefined
  })

  // what nobody opens is shown as it is: whoever reads it says so
  const outward = (key: string, value: Uint8Array): Effect.Effect<Uint8Array> => {
    if (isPlain(key)) return Effect.succeed(value)
    const plain = plainUnder(keys, key, value)
    return plain === undefined
      ? Effect.map(plainByAsking(key, value), (told) => told === undefined ? value : encryptUnder(face, told, key))
      : Effect.succeed(encryptUnder(face, plain, key))
  }
  const inward = (key: string, value: Uint8Array): Uint8Array => {
    const plain = isPlain(key) ? undefined : Option.getOrUndefined(Result.getSuccess(decryptBytesUnder(face, value, key)))
    return plain === undefined ? value : encryptUnder(keys.current, plain, key)
  }
  /** A new record that was on its way while the key changed, with a process that stood still meanwhile: nobody would have known of it. */
  const underPresent = (key: string, value: Uint8Array, revision: number) =>
    Effect.catchTag(Effect.suspend(() => inner.update(key, inward(key, value), revision)), "KeyConflict", () => Effect.succeed(revision))
  const store: KeyValue = {
    ...inner,
    get: (key) => Effect.flatMap(inner.get(key), Option.match({
      onNone: () => Effect.succeedNone,
      onSome: (entry) => Effect.map(outward(key, entry.value), (value) => Option.some({ ...entry, value }))
    })),
    create: (key, value) => Effect.suspend(() => {
      const under = keys.current
      return Effect.flatMap(inner.create(key, inward(key, value)), (revision) => keys.current === under || isPlain(key) ? Effect.succeed(revision) : underPresent(key, value, revision))
    }),
    update: (key, value, revision) => Effect.suspend(() => inner.update(key, inward(key, value), revision)),
    watch: Stream.mapEffect(inner.watch, (change) =>
      change._tag === "change" && change.value !== undefined ? Effect.map(outward(change.key, change.value), (value) => ({ ...change, value })) : Effect.succeed(change))
  }

  /** Another process may have written it meanwhile: then it is looked at once more. */
  const anew = (key: string): Effect.Effect<void, KeyValueUnavailable> =>
    Effect.flatMap(inner.get(key), Option.match({
      onNone: () => Effect.void,
      onSome: ({ revision, value }) => {
        if (Result.isSuccess(decryptBytesUnder(keys.current, value, key))) return Effect.void
        const plain = plainUnder(keys, key, value)
        return plain === undefined ? Effect.void : inner.update(key, encryptUnder(keys.current, plain, key), revision).pipe(
          Effect.asVoid,
          Effect.catchTag("KeyConflict", (_: KeyConflict) => anew(key)))
      }
    }))
  const allAnew = Effect.flatMap(inner.keys, (all) => Effect.forEach(all.filter((key) => !isPlain(key)), anew, { discard: true }))
  const change = (next: StoreKeys) =>
    Effect.andThen(share.keep(next), Effect.suspend(() => {
      keys = next
      return share.tell(next)
    }))

  const turn = Effect.gen(function*() {
    // one that was stopped half way has its new key already
    const next = keys.previous === undefined ? { current: newSecretKey(), previous: keys.current } : keys
    yield* change(next)
    yield* allAnew
    // and what others wrote under the old one before they heard of it
    yield* Effect.sleep(onTheirWay)
    yield* allAnew
    yield* change({ current: next.current, previous: undefined })
  })
  return { store, face, keys: () => keys, adopt: (told) => { keys = told }, turn: Effect.uninterruptible(turn) }
}
