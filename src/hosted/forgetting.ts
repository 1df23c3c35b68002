import { Effect, Queue, Semaphore } from "effect"
import type { Sqlite } from "../../projections/Sqlite.ts"
import type { Keyring } from "./Keyring.ts"

/**
 * What one process holds of a tenant that was erased, beside the log: its keys and settings in memory, and in the files of
 * the tables what SQLite has deleted and not yet overwritten. Each process lets go of it when its tables come to the event.
 */
export const openForgetting = Effect.fn("openForgetting")(function*(held: { readonly keyring: Pick<Keyring, "forget">; readonly settings: Map<string, unknown>; readonly sqlite: Pick<Sqlite["Service"], "compact"> }) {
  const heard = yield* Queue.unbounded<string>()
  const gone = new Set<string>()
  const turn = Semaphore.makeUnsafe(1)
  const forget = (tenants: ReadonlyArray<string>) =>
    Effect.suspend(() => {
      const fresh = tenants.filter((tenant) => !gone.has(tenant))
      if (fresh.length === 0) return Effect.void
      for (const tenant of fresh) {
        held.keyring.forget(tenant)
        held.settings.delete(tenant)
      }
      return held.sqlite.compact.pipe(
        Effect.tap(() => Effect.sync(() => { for (const tenant of fresh) gone.add(tenant) })),
        Effect.tapError(({ hint }) => Effect.logError("the tables could not be written anew after an erasure", { hint })),
        Effect.ignore)
    }).pipe(turn.withPermits(1))
  return {
    /** The tables hold nothing of this tenant any more. */
    heard: (tenant: string): Effect.Effect<void> => Effect.asVoid(Queue.offer(heard, tenant)),
    /** The same now, for a caller who wants to know that it is done. */
    forget: (tenant: string): Effect.Effect<void> => forget([tenant]),
    run: Effect.forever(Effect.flatMap(Queue.takeAll(heard), forget))
  }
})
