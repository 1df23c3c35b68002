import { Duration, Effect, Schedule, Schema, SubscriptionRef } from "effect"
import { logPartitions } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"
import type { Wired } from "../nats/connect.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { findStream } from "../nats/provision.ts"
import { joinedMark, type Mark } from "./LogMark.ts"
import type { Tenants } from "./Tenants.ts"

/** One of the streams the log is spread over. Alone there is one, `LOG`; what is said of it then holds for the log. */
export interface Partition {
  readonly index: number
  readonly log: EventLog
  /** The tables' position in it. */
  readonly cursor: string
  /** Its identity; replaced as it grows, or as its owner says. */
  mark: Mark
  /** Counts up when its epoch has risen while this process runs: it is read from its beginning again. */
  readonly turned: SubscriptionRef.SubscriptionRef<number>
}

export interface Partitions {
  readonly all: ReadonlyArray<Partition>
  /** Where a tenant lives. One nobody knows lives nowhere; asked for all the same, it is the first that answers. */
  readonly of: (tenant: string) => Partition
  readonly tenantsOf: (partition: Partition) => ReadonlyArray<string>
}

/** The cluster's streams are not the ones its file speaks of. Nothing was served or changed. */
export class PartitionsDiffer extends Schema.TaggedError<PartitionsDiffer>()("PartitionsDiffer", { why: Schema.String, hint: Schema.String }) {}

/** The streams of a log of so many partitions, in our words. They must exist. */
export const logsOf = (service: Wired, count: number): ReadonlyArray<EventLog> =>
  logPartitions(count).map(({ name }, index) => jetStreamLog(service, name, count === 1 ? undefined : (subject) => subjects.partition(index, subject)))

export const openPartitions = Effect.fnUntraced(function*(marked: ReadonlyArray<readonly [EventLog, Mark]>, tenants: Pick<Tenants, "peek" | "all">) {
  const all: Array<Partition> = []
  for (const [index, [log, mark]] of marked.entries()) {
    all.push({ index, log, cursor: log.name.toLowerCase(), mark, turned: yield* SubscriptionRef.make(0) })
  }
  const wrong = [...tenants.all()].find(({ partition }) => partition >= all.length)
  if (wrong !== undefined) return yield* differ(all.length, `${wrong.tenant} lives in partition ${wrong.partition}`)
  return {
    all,
    of: (tenant) => all[tenants.peek(tenant)?.partition ?? 0]!,
    tenantsOf: ({ index }) => [...tenants.all()].flatMap(({ partition, tenant }) => partition === index ? [tenant] : [])
  } satisfies Partitions
})

/** A cluster has as many partitions as it was made with, for good: a tenant's place is chosen once. */
export const refuseOtherCount = Effect.fnUntraced(function*(service: Wired, count: number): Effect.fn.Return<void, PartitionsDiffer | LogUnavailable> {
  const others = count === 1 ? logPartitions(2) : [...logPartitions(1), ...logPartitions(count + 1).slice(-1)]
  for (const { name } of others) {
    if ((yield* findStream(service, name))._tag === "Some") return yield* differ(count, `there is a stream ${name}`)
  }
})

const differ = (count: number, why: string) =>
  new PartitionsDiffer({ why: `the cluster's file says ${count} partition${count === 1 ? "" : "s"}, but ${why}`, hint: "The number of partitions is fixed when a cluster is made. Use the cluster.json it was made with." })

/** While a cluster forms, or its admin role has not named the log yet: about a minute. */
const patience = { schedule: Schedule.spaced(Duration.millis(500)), times: 120 } as const

/** What the log's owner wrote at the stream, once it has. */
export const awaitMark = (log: EventLog): Effect.Effect<Mark, PartitionsDiffer> =>
  joinedMark(log).pipe(
    Effect.retry(patience),
    Effect.mapError(() => new PartitionsDiffer({
      why: `${log.name} is not there, or nobody has named it yet`,
      hint: "Start the cluster's servers and its admin role first: `maestra hosted cluster up`."
    })))
