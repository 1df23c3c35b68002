import { Context, Effect, Layer, RcMap, Semaphore } from "effect"
import { type Draft, Writer, type WriteError, type Written } from "../../streams/Backend.ts"

/** Writers of one conversation at a time; the number only has to be larger than the connections a server takes. */
const writersMax = 10_000
/** Conversations remembered as not yet in the projections; beyond, the next import waits for them. */
const freshMax = 100_000

/**
 * The gateway's side of the write path: writes that a closing connection cannot cut in half, reads that
 * see them, and the lock that makes `If-Match` mean something while several callers write.
 */
export class Recording extends Context.Service<Recording, {
  /** All drafts or none. Goes on to its end when the caller hangs up. At most 999 drafts. */
  readonly record: (tenant: string, drafts: ReadonlyArray<Draft>) => Effect.Effect<ReadonlyArray<Written>, WriteError>
  /** Returns once the projections hold all that was recorded before the call. */
  readonly settled: (tenant: string) => Effect.Effect<void>
  /** The same, at once where none of these conversations was written since the last time. */
  readonly settledFor: (tenant: string, conversations: Iterable<string>) => Effect.Effect<void>
  /** Run a write beside other writes of the conversation, or, when it depends on what it read, alone. */
  readonly turn: (
    tenant: string,
    conversation: string,
    alone: boolean
  ) => <A, E, R>(write: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}>()("gateway/Recording") {
  static readonly layer = Layer.effect(
    Recording,
    Effect.gen(function*() {
      const writer = yield* Writer
      const locks = yield* RcMap.make({ lookup: (_key: string) => Semaphore.make(writersMax) })
      /** Per tenant: each conversation written and not known to be in the projections, and which write that was. */
      const fresh = new Map<string, Map<string, number>>()
      let writes = 0

      const note = (tenant: string, drafts: ReadonlyArray<Draft>) => {
        const conversations = fresh.get(tenant) ?? new Map<string, number>()
        fresh.set(tenant, conversations)
        writes++
        for (const draft of drafts) conversations.set(draft.subject, writes)
      }

      const settled = (tenant: string) =>
        Effect.suspend(() => {
          const until = writes
          return Effect.tap(writer.settled(tenant), () =>
            Effect.sync(() => {
              const conversations = fresh.get(tenant)
              if (conversations === undefined) return
              for (const [conversation, write] of conversations) if (write <= until) conversations.delete(conversation)
              if (conversations.size === 0) fresh.delete(tenant)
            }))
        })

      return Recording.of({
        // noted after the answer: a write is acknowledged to nobody before that, and a failed one may have happened
        record: (tenant, drafts) =>
          Effect.uninterruptible(Effect.ensuring(writer.write(tenant, drafts), Effect.sync(() => note(tenant, drafts)))),
        settled,
        settledFor: (tenant, conversations) =>
          Effect.suspend(() => {
            const written = fresh.get(tenant)
            if (written === undefined) return Effect.void
            if (written.size > freshMax) return settled(tenant)
            for (const conversation of conversations) if (written.has(conversation)) return settled(tenant)
            return Effect.void
          }),
        turn: (tenant, conversation, alone) => (write) =>
          Effect.scoped(Effect.gen(function*() {
            const lock = yield* RcMap.get(locks, `${tenant}\n${conversation}`)
            return yield* lock.withPermits(alone ? writersMax : 1)(write)
          }))
      })
    })
  )
}
