import { Clock, Deferred, Duration, Effect, Queue } from "effect"
import { v7 as uuidV7 } from "uuid"
import { Actor, type Audit, type AuditEntry, type AuditFact } from "../../streams/Audit.ts"
import { isoTime } from "../../streams/time.ts"
import { AuditCounts } from "./AuditCounts.ts"

/** An entry without its place in a chain. */
export type Unlinked = Omit<AuditEntry, "n" | "prev">

/** Whoever waits for an entry waits no longer: it goes on in memory. */
const patience = Duration.seconds(5)
/** Entries waiting for a store that is away, about 5 MiB; what comes beyond them is counted. */
const waitingMax = 10_000
/** Entries written together. */
const groupMax = 500
const flushEvery = Duration.seconds(5)
/** At the end: what is still waiting has this long. */
const endMax = Duration.seconds(2)

interface Waiting {
  readonly entry: Unlinked
  readonly written: Deferred.Deferred<void>
}

/**
 * The writing half of `Audit`: entries of callers that come at the same moment are stored together, one group at a time.
 *
 * @param store stores a group in order, durably, in their chains; tries for as long as it takes
 */
export const makeAuditing = Effect.fn("makeAuditing")(function*(store: (group: ReadonlyArray<Unlinked>) => Effect.Effect<void>) {
  const queue = yield* Queue.unbounded<Waiting>()
  const counts = new AuditCounts()
  const gathering = yield* Queue.sliding<void>(1)
  let waiting = 0
  let lost = 0

  const offer = Effect.fnUntraced(function*(fact: AuditFact, count?: number) {
    const { by, data, tenant, type } = fact
    const now = yield* Clock.currentTimeMillis
    const written = yield* Deferred.make<void>()
    if (waiting >= waitingMax) {
      lost++
      yield* Deferred.succeed(written, undefined)
      return written
    }
    waiting++
    yield* Queue.offer(queue, { written, entry: { id: uuidV7(), type, tenant: tenant ?? null, time: isoTime(now), by: by ?? (yield* Actor), data, ...(count === undefined ? {} : { count }) } })
    return written
  })

  const write = Effect.gen(function*() {
    if (lost > 0 && waiting < waitingMax) {
      const count = lost
      lost = 0
      yield* offer({ type: "entries.lost", data: {} }, count)
    }
    const group = yield* Queue.takeBetween(queue, 1, groupMax)
    yield* store(group.map(({ entry }) => entry))
    waiting -= group.length
    yield* Effect.forEach(group, ({ written }) => Deferred.succeed(written, undefined), { discard: true })
  })

  const flush = (all: boolean) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.forEach(counts.due(now, all), ({ count, fact }) => offer(fact, count)))

  const gather = Effect.suspend(() => Effect.andThen(Effect.sleep(flushEvery), flush(false))).pipe(Effect.repeat({ until: () => counts.isEmpty }))

  yield* Effect.addFinalizer(() =>
    flush(true).pipe(Effect.flatMap((last) => Effect.forEach(last, (written) => Deferred.await(written), { discard: true })), Effect.timeoutOption(endMax)))
  return {
    record: (fact) =>
      Effect.flatMap(offer(fact), (written) => Deferred.await(written)).pipe(
        Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.logWarning("the audit is not written yet; its entry waits in memory", { type: fact.type }) })),
    count: (fact) =>
      Effect.gen(function*() {
        const by = fact.by ?? (yield* Actor)
        const first = counts.note({ ...fact, by }, yield* Clock.currentTimeMillis)
        if (first === undefined) return
        yield* offer(first)
        yield* Queue.offer(gathering, undefined)
      }),
    /** The loop. Ends only by interruption. */
    run: Effect.raceFirst(Effect.forever(write), Effect.forever(Effect.andThen(Queue.take(gathering), gather)))
  } satisfies Pick<Audit["Service"], "record" | "count"> & { readonly run: Effect.Effect<never> }
})
