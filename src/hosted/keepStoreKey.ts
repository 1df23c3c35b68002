import { Clock, Duration, Effect, Queue, Result, Schedule } from "effect"
import { isoTime } from "../../streams/time.ts"
import type { RekeyedStore } from "./storeKey.ts"
import type { TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

const retryEvery = Duration.seconds(1)

/** A tenant's keys are gone from its record, and the records before it still lie in the store's files, under a key that is there. */
const wantsTurn = ({ data_keys, erased }: TenantRecord): boolean =>
  erased?.receipt !== undefined && data_keys.length === 0 && erased.keys_destroyed_at === undefined

export interface KeeperContext extends Pick<RekeyedStore, "turn"> {
  readonly tenants: Pick<Tenants, "peek" | "update">
  /** Replace the backups of keys that are known. Answers how many could not be. */
  readonly replaceBackups: Effect.Effect<number>
}

/**
 * After each erasure, by whichever process: give the tenant store another key, destroy the one before, and note it in the
 * record, where the process that erases waits for it. By the one process that keeps the keys; where that was not there, at
 * its next start.
 */
export const openStoreKeyKeeper = Effect.gen(function*() {
  const waiting = yield* Queue.unbounded<string>()
  const one = Effect.fnUntraced(function*(named: ReadonlyArray<string>, { replaceBackups, tenants, turn }: KeeperContext) {
    const erased = [...new Set(named)].filter((tenant) => {
      const record = tenants.peek(tenant)
      return record !== undefined && wantsTurn(record)
    })
    if (erased.length === 0) return
    yield* turn
    const backups_left = yield* replaceBackups
    const keys_destroyed_at = isoTime(yield* Clock.currentTimeMillis)
    for (const tenant of erased) {
      yield* tenants.update(tenant, (record) => Result.succeed(record.erased === undefined ? record : { ...record, erased: { ...record.erased, keys_destroyed_at, backups_left } }))
    }
    yield* Effect.logInfo("the tenant store has another key after an erasure, and the one before is destroyed", { tenants: erased.length })
  })
  return {
    /** Told of each record as the store tells it. */
    heard: (record: TenantRecord): Effect.Effect<void> => wantsTurn(record) ? Effect.asVoid(Queue.offer(waiting, record.tenant)) : Effect.void,
    run: (context: KeeperContext): Effect.Effect<never> =>
      Effect.forever(Effect.gen(function*() {
        yield* one(yield* Queue.takeAll(waiting), context).pipe(
          Effect.tapError(() => Effect.logWarning("the key of the tenant store is not replaced yet; trying again")),
          Effect.retry(Schedule.spaced(retryEvery)),
          Effect.orDie)
      }))
  }
})
