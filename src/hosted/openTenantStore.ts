import { Duration, Effect, Option } from "effect"
import type { Wired } from "../nats/connect.ts"
import type { KeyValue } from "../nats/keyValue.ts"
import type { SecretKey } from "../security/secretKey.ts"
import { openStoreKeyKeeper } from "./keepStoreKey.ts"
import { sharedStoreKeys } from "./sharedStoreKeys.ts"
import { type KeyShare, rekeyedStore, type StoreKeys } from "./storeKey.ts"

interface TenantStoreContext {
  readonly service: Wired
  readonly masterKey: SecretKey
  /** Of the process that keeps them; the others ask. */
  readonly storeKeys: StoreKeys | undefined
  readonly keepStoreKeys: KeyShare["keep"] | undefined
  readonly onProgress: (line: string) => Effect.Effect<void>
}

/** The tenant store, whatever key it is under; `keeper`, where this process keeps that key; `run`, for ever, its share in handing it over. */
export const openTenantStore = Effect.fn("openTenantStore")(function*(inner: KeyValue, { keepStoreKeys: keep, masterKey, onProgress, service, storeKeys }: TenantStoreContext) {
  const shared = sharedStoreKeys(service, masterKey)
  const share: KeyShare = keep === undefined ? { keep: () => Effect.void, tell: () => Effect.void, ask: shared.ask } : { keep, tell: shared.tell, ask: Effect.succeedNone }
  const rekeyed = rekeyedStore(inner, storeKeys ?? (yield* awaitKeys(shared.ask, onProgress)), share)
  return {
    rekeyed,
    keeper: keep === undefined ? undefined : yield* openStoreKeyKeeper,
    run: Effect.all([shared.answer(rekeyed), ...keep === undefined ? [shared.follow(rekeyed)] : []], { concurrency: "unbounded", discard: true })
  }
})

const askEvery = Duration.millis(500)

/** A process that joins has the key from whoever runs already: it is in no file but its keeper's. */
const awaitKeys = Effect.fnUntraced(function*(ask: KeyShare["ask"], onProgress: TenantStoreContext["onProgress"]) {
  for (let tries = 0;; tries++) {
    const told = Option.getOrUndefined(yield* ask)
    if (told !== undefined) return told
    if (tries === 0) yield* onProgress("waiting for the key of the tenant store: whoever keeps it (`maestra hosted cluster up`, or the process that runs the hub), or any other hosted process, hands it over")
    yield* Effect.sleep(askEvery)
  }
})
