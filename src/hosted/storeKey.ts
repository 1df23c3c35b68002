import { Effect, Option, Result, Stream } from "effect"
import type { KeyConflict, KeyValue, KeyValueUnavailable } from "../nats/keyValue.ts"
import { decryptBytesUnder, encryptUnder, newSecretKey, type SecretKey } from "../security/secretKey.ts"

/** The keys the tenant store's records are encrypted under, as they are kept outside of it. */
export interface StoreKeys {
  readonly current: SecretKey
  /** While records are being encrypted anew: some are still under this one. */
  readonly previous: SecretKey | undefined
}

export interface RekeyedStore {
  /** The store with every record under `face`, a key of this process alone, whatever it is under in the store. */
  readonly store: KeyValue
  readonly face: SecretKey
  /**
   * Encrypt all records under a new key, and destroy the old one: what JetStream's files still hold of earlier records,
   * of somebody who was erased since, opens with nothing. Stopped half way, doing it again completes it.
   */
  readonly turn: Effect.Effect<void, KeyValueUnavailable>
}

/** Entries that are no records: who has which tenant, by a keyed hash. */
const isPlain = (key: string): boolean => key.startsWith("user.")

/** @param keep writes the keys outside the store, synced, before anything is done with them */
export const rekeyedStore = (inner: KeyValue, found: StoreKeys, keep: (keys: StoreKeys) => Effect.Effect<void>): RekeyedStore => {
  const face = newSecretKey()
  let keys = found
  const plainOf = (key: string, value: Uint8Array) =>
    [keys.current, ...keys.previous === undefined ? [] : [keys.previous]].map((secret) => decryptBytesUnder(secret, value, key)).find(Result.isSuccess)?.success
  // what neither opens is shown as it is: whoever reads it says so
  const outward = (key: string, value: Uint8Array): Uint8Array => {
    const plain = isPlain(key) ? undefined : plainOf(key, value)
    return plain === undefined ? value : encryptUnder(face, plain, key)
  }
  const inward = (key: string, value: Uint8Array): Uint8Array => {
    const plain = isPlain(key) ? undefined : Option.getOrUndefined(Result.getSuccess(decryptBytesUnder(face, value, key)))
    return plain === undefined ? value : encryptUnder(keys.current, plain, key)
  }
  const store: KeyValue = {
    ...inner,
    get: (key) => Effect.map(inner.get(key), Option.map((entry) => ({ ...entry, value: outward(key, entry.value) }))),
    create: (key, value) => inner.create(key, inward(key, value)),
    update: (key, value, revision) => inner.update(key, inward(key, value), revision),
    watch: Stream.map(inner.watch, (change) => change._tag === "change" && change.value !== undefined ? { ...change, value: outward(change.key, change.value) } : change)
  }

  /** Another process may have written it meanwhile: then it is looked at once more. */
  const anew = (key: string): Effect.Effect<void, KeyValueUnavailable> =>
    Effect.flatMap(inner.get(key), Option.match({
      onNone: () => Effect.void,
      onSome: ({ revision, value }) => {
        const plain = plainOf(key, value)
        return plain === undefined ? Effect.void : inner.update(key, encryptUnder(keys.current, plain, key), revision).pipe(
          Effect.asVoid,
          Effect.catchTag("KeyConflict", (_: KeyConflict) => anew(key)))
      }
    }))

  const turn = Effect.gen(function*() {
    // one that was stopped half way has its new key already
    const next = keys.previous === undefined ? { current: newSecretKey(), previous: keys.current } : keys
    yield* keep(next)
    keys = next
    for (const key of yield* inner.keys) if (!isPlain(key)) yield* anew(key)
    keys = { current: next.current, previous: undefined }
    yield* keep(keys)
  })
  return { store, face, turn: Effect.uninterruptible(turn) }
}
