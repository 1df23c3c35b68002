import { Deferred, Effect, Option, Queue } from "effect"
import { batchMessagesMax, ingestWaitingMaxBytes, payloadMaxBytes } from "../../streams/limits.ts"
import { observe } from "../../streams/metrics.ts"
import type { Append, EventLog } from "../nats/EventLog.ts"

/** One author's commit, judged and ready: its events in order, the record last, fenced. */
export interface Ready {
  /** `<tenant>.<author>`: at most one commit per chain in a batch. */
  readonly chain: string
  readonly messages: ReadonlyArray<Append>
  readonly bytes: number
}

/**
 * What became of a commit. `fenced`: its author's chain has moved on, nothing was written. `unknown`: the
 * server did not answer; read the head. `full`: no room, nothing was written. `refused`: the server will never take it.
 */
export type Outcome =
  | { readonly _tag: "committed"; readonly first: number; readonly last: number }
  | { readonly _tag: "fenced" }
  | { readonly _tag: "unknown" }
  | { readonly _tag: "full" }
  | { readonly _tag: "busy" }
  | { readonly _tag: "refused"; readonly why: string }

interface Waiting extends Ready {
  readonly answer: Deferred.Deferred<Outcome>
}

/** Group commit: commits of several authors that wait at the same moment share one atomic batch, and one fsync. */
export interface Committer {
  readonly commit: (ready: Ready) => Effect.Effect<Outcome>
  /** The loop. Ends only by interruption. */
  readonly run: Effect.Effect<never>
}

/** Bytes of commits that wait in this process, whichever partition they wait for. */
export interface Waits {
  bytes: number
}

/** One committer for each partition: an atomic batch goes into one stream. */
export const committerAcross = (all: ReadonlyArray<Committer>, indexOf: (tenant: string) => number): Committer => ({
  commit: (ready) => all[indexOf(ready.chain.slice(0, ready.chain.indexOf(".")))]!.commit(ready),
  run: Effect.andThen(Effect.forEach(all, ({ run }) => run, { concurrency: "unbounded", discard: true }), Effect.never)
})

/**
 * @param fence reads the current last sequence of a chain's commit subject from the stream's leader
 * @param fallen is told when the log gives a place away a second time: it lost its end while this process ran
 */
export const makeCommitter = Effect.fn("Committer.make")(function*(
  log: EventLog,
  fence: (chain: string) => Effect.Effect<number | undefined>,
  waits: Waits = { bytes: 0 },
  fallen: Effect.Effect<void> = Effect.void
) {
  const queue = yield* Queue.unbounded<Waiting>()
  let held: Array<Waiting> = []
  /** Where the last batch ended. */
  let end = 0

  const commit = (ready: Ready) =>
    Effect.gen(function*() {
      if (waits.bytes + ready.bytes > ingestWaitingMaxBytes) return { _tag: "busy" } as const
      waits.bytes += ready.bytes
      const answer = yield* Deferred.make<Outcome>()
      yield* Queue.offer(queue, { ...ready, answer })
      return yield* Deferred.await(answer)
    })

  const answer = (waiting: Waiting, outcome: Outcome) => {
    waits.bytes -= waiting.bytes
    return Deferred.succeed(waiting.answer, outcome)
  }

  const append = (group: ReadonlyArray<Waiting>): Effect.Effect<Outcome> => {
    observe("maestra_group_commits", {}, group.length)
    return log.append(group.flatMap((waiting) => waiting.messages)).pipe(
      Effect.map(({ first, last }): Outcome => ({ _tag: "committed", first, last })),
      Effect.catchTags({
        LogFenced: () => Effect.succeed<Outcome>({ _tag: "fenced" }),
        LogUnavailable: () => Effect.succeed<Outcome>({ _tag: "unknown" }),
        LogFull: () => Effect.succeed<Outcome>({ _tag: "full" }),
        LogRefused: ({ why }) => Effect.succeed<Outcome>({ _tag: "refused", why })
      })
    )
  }

  const settle = (group: ReadonlyArray<Waiting>, outcome: Outcome) =>
    Effect.gen(function*() {
      if (outcome._tag !== "committed") return yield* Effect.forEach(group, (waiting) => answer(waiting, outcome), { discard: true })
      if (outcome.first <= end) yield* fallen
      end = outcome.last
      let first = outcome.first
      for (const waiting of group) {
        yield* answer(waiting, { _tag: "committed", first, last: first + waiting.messages.length - 1 })
        first += waiting.messages.length
      }
    })

  /** One stale author refuses the whole batch, and the server names nobody: drop the stale ones, try again, then each alone. */
  const commitGroup = (group: ReadonlyArray<Waiting>) =>
    Effect.gen(function*() {
      const outcome = yield* append(group)
      if (outcome._tag !== "fenced" && outcome._tag !== "refused" || group.length === 1) return yield* settle(group, outcome)
      const current: Array<Waiting> = []
      for (const waiting of group) {
        const expected = waiting.messages.at(-1)?.expectedLast
        const last = yield* fence(waiting.chain)
        if (last === undefined || last === expected) current.push(waiting)
        else yield* answer(waiting, { _tag: "fenced" })
      }
      if (current.length === 0) return
      const again = yield* append(current)
      if (again._tag !== "fenced" && again._tag !== "refused") return yield* settle(current, again)
      for (const waiting of current) yield* settle([waiting], yield* append([waiting]))
    })

  const take = Effect.gen(function*() {
    const waiting = held.length > 0 ? [...held, ...Option.getOrElse(yield* pollAll(queue), () => [])] : yield* Queue.takeAll(queue)
    const { group, rest } = share(waiting)
    held = rest
    return group
  })

  const run = take.pipe(Effect.flatMap(commitGroup), Effect.forever)
  return { commit, run } satisfies Committer
})

const pollAll = (queue: Queue.Queue<Waiting>) =>
  Effect.gen(function*() {
    return (yield* Queue.size(queue)) > 0 ? Option.some(yield* Queue.takeAll(queue)) : Option.none<Array<Waiting>>()
  })

/** As many waiting commits as fit one atomic batch, one per chain, first come first served. */
export const share = <A extends Ready>(waiting: ReadonlyArray<A>): { readonly group: Array<A>; readonly rest: Array<A> } => {
  const group: Array<A> = []
  const rest: Array<A> = []
  const chains = new Set<string>()
  let messages = 0
  let bytes = 0
  for (const one of waiting) {
    const fits = messages + one.messages.length <= batchMessagesMax && bytes + one.bytes <= 2 * payloadMaxBytes
    if (!chains.has(one.chain) && (fits || group.length === 0)) {
      group.push(one)
      messages += one.messages.length
      bytes += one.bytes
    } else rest.push(one)
    chains.add(one.chain)
  }
  return { group, rest }
}
