import { Clock, Duration, Effect, Queue, Schedule, Semaphore } from "effect"
import { millisOf } from "../../streams/time.ts"
import type { Connection } from "../nats/Connection.ts"
import type { HubSecrets } from "../nats/hubSecrets.ts"
import { merge, revokeLeaf } from "../nats/revocation.ts"
import type { TenantRecord } from "./TenantRecord.ts"

export interface AdminRole {
  readonly system: Connection
  /** As they are now: the signing key may be replaced. */
  readonly secrets: () => HubSecrets
  /** The log's streams, as the accounts name them. */
  readonly logs: ReadonlyArray<string>
  /** In force at the start. */
  readonly revocations: Readonly<Record<string, number>>
  readonly keep: (all: Readonly<Record<string, number>>) => Effect.Effect<void>
  /** Note who is gone where no restored store forgets it. */
  readonly remember: (gone: TenantRecord["gone"]) => Effect.Effect<void>
}

/** What the admin role does about them; a process without it does nothing. */
export type Cutting = Effect.Success<ReturnType<typeof followRevocations>>

const retryEvery = Duration.seconds(1)

/**
 * Cut the leafs of the machines the tenant store says are gone, whichever process shut them out: most hosted processes
 * hold no operator's keys. They refuse the machine from the moment they hear of it; this ends its link as well.
 *
 * `heard` takes each record as the store tells it; `run` does the work, again and again until the hub has taken it.
 */
export const followRevocations = Effect.fn("followRevocations")(function*(role: AdminRole) {
  const waiting = yield* Queue.unbounded<Gone>()
  let inForce = role.revocations

  // one at a time: each stands on what the hub held before
  const turn = Semaphore.makeUnsafe(1)
  const cut = (record: Gone) => Effect.andThen(role.remember(record.gone), cutMissing(keysOf(record))).pipe(turn.withPermits(1))
  const cutMissing = Effect.fnUntraced(function*(found: Readonly<Record<string, number>>) {
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    // what has expired by itself since need not be cut
    const missing = Object.entries(merge({}, found, now)).filter(([key, second]) => (inForce[key] ?? 0) < second)
    if (missing.length === 0) return
    inForce = yield* revokeLeaf(role.system, role.secrets(), Object.fromEntries(missing), { logs: role.logs })
    yield* role.keep(inForce)
    yield* Effect.logInfo("leafs of revoked machines cut", { keys: missing.length })
  })

  return {
    /** The accounts as the secrets are now, on the running hub: nothing is cut that was not before, but what a dropped key signed. */
    renewAccounts: Effect.gen(function*() {
      inForce = yield* revokeLeaf(role.system, role.secrets(), {}, { logs: role.logs })
      yield* role.keep(inForce)
    }).pipe(turn.withPermits(1)),
    heard: (record: Gone): Effect.Effect<void> => record.gone.length === 0 ? Effect.void : Effect.asVoid(Queue.offer(waiting, record)),
    /** The same now, for a caller who wants to know that it is done. */
    cut,
    run: Effect.forever(Effect.gen(function*() {
      const gone = (yield* Queue.takeAll(waiting)).flatMap((record) => record.gone)
      yield* cut({ gone }).pipe(
        Effect.tapError(({ hint }) => Effect.logWarning("a revoked machine's leaf is not cut yet; trying again", { hint })),
        Effect.retry(Schedule.spaced(retryEvery)),
        Effect.orDie)
    }))
  }
})

type Gone = Pick<TenantRecord, "gone">

/** Every key a machine that is gone ever came with, and the second since when it may not. */
const keysOf = ({ gone }: Gone): Readonly<Record<string, number>> =>
  // an erased one keeps its link until the word of it has come, or its token ends
  Object.fromEntries(gone.filter(({ what }) => what === "revoked").flatMap(({ at, transport_keys }) => transport_keys.map((key) => [key, Math.floor(millisOf(at) / 1000)])))
