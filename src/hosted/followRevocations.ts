import { Clock, Duration, Effect, Queue, Schedule, Semaphore } from "effect"
import { millisOf } from "../../streams/time.ts"
import type { Connection } from "../nats/Connection.ts"
import type { HubSecrets } from "../nats/hubSecrets.ts"
import { merge, revokeLeaf, type RevocationFailed } from "../nats/revocation.ts"
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
const anotherSecond = Duration.seconds(1)

/**
 * Cut the leafs of the machines the tenant store says are gone, and the connections of tools it says are revoked, whichever
 * process shut them out: most hosted processes hold no operator's keys. They refuse the machine from the moment they hear
 * of it; this ends its link as well.
 *
 * `heard` takes each record as the store tells it; `run` does the work, again and again until the hub has taken it.
 */
export const followRevocations = Effect.fn("followRevocations")(function*(role: AdminRole) {
  const waiting = yield* Queue.unbounded<Gone>()
  /** The account is to be issued once more, in another second than it was. */
  const again = yield* Queue.sliding<void>(1)
  let inForce = role.revocations

  // one at a time: each stands on what the hub held before
  const turn = Semaphore.makeUnsafe(1)
  const cut = (record: Gone) => Effect.andThen(role.remember(record.gone), cutMissing(keysOf(record))).pipe(turn.withPermits(1))
  const revoke = Effect.fnUntraced(function*(keys: Readonly<Record<string, number>>) {
    const { lasts, revocations } = yield* revokeLeaf(role.system, role.secrets(), keys, { logs: role.logs })
    inForce = revocations
    yield* role.keep(inForce)
    // not here: whoever is revoked next must not wait for it
    if (!lasts) yield* Queue.offer(again, undefined)
  })
  const renewAccounts = revoke({}).pipe(turn.withPermits(1))
  const cutMissing = Effect.fnUntraced(function*(found: Readonly<Record<string, number>>) {
    const now = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    // what has expired by itself since need not be cut
    const missing = Object.entries(merge({}, found, now)).filter(([key, second]) => (inForce[key] ?? 0) < second)
    if (missing.length === 0) return
    yield* revoke(Object.fromEntries(missing))
    yield* Effect.logInfo("links of revoked machines and tools cut", { keys: missing.length })
  })

  return {
    /** The accounts as the secrets are now, on the running hub: nothing is cut that was not before, but what a dropped key signed. */
    renewAccounts,
    heard: (record: Gone): Effect.Effect<void> => Object.keys(keysOf(record)).length === 0 ? Effect.void : Effect.asVoid(Queue.offer(waiting, record)),
    /** The same now, for a caller who wants to know that it is done. */
    cut,
    run: Effect.raceFirst(
      Effect.forever(Effect.gen(function*() {
        const records = yield* Queue.takeAll(waiting)
        yield* stubborn(cut({ gone: records.flatMap(({ gone }) => gone), tools: records.flatMap(({ tools = [] }) => tools) }))
      })),
      Effect.forever(Effect.andThen(Queue.take(again), Effect.andThen(Effect.sleep(anotherSecond), stubborn(renewAccounts)))))
  }
})

const stubborn = (update: Effect.Effect<void, RevocationFailed>) =>
  update.pipe(
    Effect.tapError(({ hint }) => Effect.logWarning("the hub's account is not as it should be yet; trying again", { hint })),
    Effect.retry(Schedule.spaced(retryEvery)),
    Effect.orDie)

type Gone = Pick<TenantRecord, "gone" | "tools">

const secondOf = (time: string) => Math.floor(millisOf(time) / 1000)

/** Every key a machine that is gone ever came with, and every revoked tool's: with the second up to which their tokens are revoked. */
const keysOf = ({ gone, tools = [] }: Gone): Readonly<Record<string, number>> => Object.fromEntries([
  // an erased one keeps its link until the word of it has come, or its token ends
  ...gone.filter(({ what }) => what === "revoked").flatMap(({ at, transport_keys }) => transport_keys.map((key) => [key, secondOf(at)] as const)),
  // such a token may last a year: its revocation has to be kept as long, and a key is used for one token only
  ...tools.filter(({ revoked_at }) => revoked_at !== undefined).map(({ ends_at, nkey }) => [nkey, secondOf(ends_at)] as const)
])
