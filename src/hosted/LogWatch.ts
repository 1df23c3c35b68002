import { Duration, Effect, Option, Random, Schedule, Stream, SubscriptionRef } from "effect"
import { unplacedOf } from "../../projections/conversations/unplaced.ts"
import { unplacedTold } from "../../projections/toldOnce.ts"
import { problemPlaces } from "../../projections/syncState/queries.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import { patterns } from "../../streams/subjects.ts"
import type { LogUnavailable } from "../nats/EventLog.ts"
import { AuthorKeys } from "../security/AuthorKeys.ts"
import { digestOf } from "../security/digest.ts"
import { LogReader, type Problem } from "../security/LogReader.ts"
import { type LogEntry, readLogInTurns } from "../security/openLog.ts"
import type { Parts } from "./Base.ts"
import { joinedMark, metadataOf, nextEpoch } from "./LogMark.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import type { Partition } from "./Partitions.ts"
import { remembered } from "./tablesOf.ts"

/** The whole log once a day; besides that at the start, whenever the hub's server was away, and when `verify` found something. */
const lookEvery = Duration.hours(24)
const retryEvery = Duration.seconds(1)
/** Joined processes take their turns within this. */
const turnMax = Duration.seconds(3)
const patience = Duration.minutes(5)
/** Rest after each batch, in times of what it took: looking takes a quarter of one core at most. */
const restTimes = 3

/**
 * See to it that the log still holds what was committed, for ever. A disk that fails, or somebody with access to it,
 * takes committed events out of the middle, or cuts the end off while this process lives: a reader of the whole log
 * finds places where something is wrong, and the tables know of more than is there. Then the log's epoch rises: every
 * peer compares its chain with the log and sends once more what it lacks. What is wrong stays wrong and stays named;
 * the same places lead to one new epoch only.
 */
export const watchLog = (base: Parts, hub: Hub, own: OwnCommits): Effect.Effect<never> =>
  Effect.andThen(
    Effect.forEach(base.partitions.all, (partition) => watchOne(base, partition, hub, own), { concurrency: "unbounded", discard: true }),
    Effect.never)

const watchOne = Effect.fn("hosted.watchLog")(function*(base: Parts, partition: Partition, hub: Hub, own: OwnCommits): Effect.fn.Return<never> {
  let cut = ""
  for (;;) {
    const doubted = SubscriptionRef.getUnsafe(base.doubted)
    yield* hub.awaitUp
    const looked = yield* Effect.result(Effect.andThen(completeOwn(base, partition, own), look(base, partition)))
    if (looked._tag === "Failure") {
      yield* Effect.sleep(retryEvery)
      continue
    }
    const { damage, missing, wrong } = looked.success
    if (missing !== undefined && missing === cut) yield* Effect.logError(`the log lacks what it held, and a new epoch did not help: ${missing}`)
    else if (missing !== undefined || (damage !== "" && damage !== partition.mark.damage)) {
      cut = missing ?? ""
      yield* raise(base, partition, looked.success)
      yield* Effect.logWarning("the log lost something that was committed; a new epoch has begun, and peers send again what it lacks", { lost: missing ?? wrong, epoch: partition.mark.log_epoch })
      continue
    }
    yield* Effect.raceFirst(otherThan(base.doubted, doubted), wasAway(hub)).pipe(Effect.timeoutOption(lookEvery))
  }
})

/** A leader that was just chosen knows all it holds within this. */
const secondLook = Duration.seconds(10)

/** The servers that hold all of a log, by name. */
type ServersOf = (log: string) => Effect.Effect<ReadonlyArray<string>, LogUnavailable>

/**
 * On a cluster, whose marks are kept by somebody without tables, each hosted process looks: when anybody found the log other
 * than it should be, and once a day. nats-server does not compare its copies: one that was spoiled on one server's disk is
 * what readers get there, and, once that server leads the stream, what the others are brought into line with.
 */
export const watchCluster = (base: Parts, serversOf: ServersOf): Effect.Effect<never> =>
  Effect.andThen(
    Effect.forEach(base.partitions.all, (partition) => watchClusterOne(base, partition, serversOf), { concurrency: "unbounded", discard: true }),
    Effect.never)

const watchClusterOne = Effect.fn("hosted.watchCluster")(function*(base: Parts, partition: Partition, serversOf: ServersOf): Effect.fn.Return<never> {
  let cut = ""
  let doubted = 0
  for (;;) {
    yield* otherThan(base.doubted, doubted).pipe(Effect.timeoutOption(lookEvery))
    doubted = SubscriptionRef.getUnsafe(base.doubted)
    // the others heard of it too
    yield* Effect.sleep(Duration.times(turnMax, yield* Random.next))
    const looked = yield* lookTwice(base, partition, serversOf).pipe(Effect.retry(Schedule.spaced(retryEvery)), Effect.orDie)
    const { damage, missing, wrong } = looked
    if (missing !== undefined && missing === cut) yield* Effect.logError(`the log lacks what it held, and a new epoch did not help: ${missing}`)
    else if (missing !== undefined || damage !== "") {
      cut = missing ?? ""
      const epoch = yield* raiseShared(partition, looked).pipe(Effect.retry(Schedule.spaced(retryEvery)), Effect.orDie)
      if (epoch !== undefined) yield* Effect.logWarning("the log lost something that was committed; a new epoch has begun, and peers send again what it lacks", { log: partition.log.name, lost: missing ?? wrong, epoch })
    }
  }
})

/** What is found once more counts, unless it is known. */
const lookTwice = Effect.fnUntraced(function*(base: Parts, partition: Partition, serversOf: ServersOf) {
  const first = yield* lookOnEach(base, partition, serversOf)
  if (isWhole(first) || (first.missing === undefined && first.damage === partition.mark.damage)) return first
  yield* Effect.sleep(secondLook)
  return yield* lookOnEach(base, partition, serversOf)
})

/** The log has what one server has, and has lost what is left where least is wrong. */
const lookOnEach = Effect.fnUntraced(function*(base: Parts, partition: Partition, serversOf: ServersOf) {
  const { log } = partition
  const [first, ...others] = yield* Random.shuffle(yield* serversOf(log.name))
  let least = yield* look(base, partition, first)
  for (const server of others) {
    if (isWhole(least)) break
    const next = yield* look(base, partition, server)
    if (next.damage !== least.damage) yield* Effect.logWarning("the servers' copies of the log differ: `maestra hosted cluster verify` says which is spoiled", { log: log.name })
    if (isWhole(next) || next.places < least.places) least = next
  }
  return least
})

const isWhole = ({ missing, places }: Look): boolean => places === 0 && missing === undefined

/** Two that come to the same at the same moment write the same. Nothing where somebody else has done it. */
const raiseShared = Effect.fnUntraced(function*(partition: Partition, found: Look) {
  const held = yield* joinedMark(partition.log)
  if (held.log_epoch !== partition.mark.log_epoch || (found.missing === undefined && held.damage === found.damage)) return undefined
  const next = nextEpoch(held, found)
  yield* partition.log.setMetadata(metadataOf({ ...next, own_complete_in: next.log_epoch }))
  return next.log_epoch
})

/** Whether the hub's server is there. */
export interface Hub {
  readonly up: SubscriptionRef.SubscriptionRef<boolean>
  readonly awaitUp: Effect.Effect<void>
}

/** Completes once a counter stands at another number than it did. */
const otherThan = (ref: SubscriptionRef.SubscriptionRef<number>, before: number): Effect.Effect<void> =>
  SubscriptionRef.changes(ref).pipe(Stream.filter((value) => value !== before), Stream.runHead, Effect.asVoid)

/** The hub's server went and came back: what it then makes of its files may be another log. */
const wasAway = ({ awaitUp, up }: Hub) =>
  SubscriptionRef.changes(up).pipe(Stream.filter((is) => !is), Stream.runHead, Effect.andThen(awaitUp))

interface Look {
  readonly lastSeq: number
  /** How many places there are where something is wrong. */
  readonly places: number
  /** Their digest; none: there are none. */
  readonly damage: string
  /** The first of them, in words. */
  readonly wrong: string | undefined
  /** What the tables have seen and the log has no more, in words, where no place shows it. */
  readonly missing: string | undefined
}

/** `on`: one server's own copy, of a cluster's. */
const look = Effect.fnUntraced(function*(base: Parts, partition: Partition, on?: string): Effect.fn.Return<Look, LogUnavailable> {
  const { ask, hosted, keyring, partitions, view } = base
  const { log, mark } = partition
  const known = view.greatest(partitions.tenantsOf(partition))
  const { heads, keys } = yield* ask(remembered)
  const { lastSeq } = yield* log.info
  const endsBefore = (end: number) => ({ lastSeq: end, places: 0, damage: mark.damage ?? "", wrong: undefined, missing: `it ends at ${end}, and went to ${known}` })
  if (lastSeq < known) return endsBefore(lastSeq)
  const reader = new LogReader(new AuthorKeys(hosted, keys))
  const places = new Set<number>()
  let wrong: string | undefined
  const note = (items: ReadonlyArray<LogEntry | Problem>) => {
    for (const item of items) {
      if (item.kind !== "problem" || item.what === "forked") continue
      wrong ??= item.detail
      places.add(item.seq)
    }
  }
  const readOn = (from: number, through: number) =>
    log.readRange({ from, through, ...(on !== undefined && { on }) }).pipe(
      Stream.runForEach((batch) =>
        Effect.timed(readLogInTurns(reader, batch, { open: keyring.open, isOwn: teachesNothing })).pipe(
          Effect.flatMap(([took, items]) => {
            note(items)
            return Effect.sleep(Duration.times(took, restTimes))
          }))))
  yield* readOn(1, lastSeq)
  // the server finds out about a spoiled file by reading it, and forgets what lies behind
  const after = (yield* log.info).lastSeq
  if (after < lastSeq) return endsBefore(after)
  // what was purged meanwhile was announced before it was
  if (reader.absences.some) yield* readOn(lastSeq + 1, after)
  note(reader.missing())
  const damage = places.size === 0 ? "" : digestOf(new TextEncoder().encode([...places].join()))
  // read as it came, a record did not follow; read again, it does: what it should have followed is gone without a trace
  const mine = [...(yield* ask(problemPlaces(ofTheLog)))].flatMap(([tenant, at]) => partitions.of(tenant) === partition ? [...at] : [])
  const vanished = mine.find((seq) => seq <= lastSeq && !places.has(seq))
  if (vanished !== undefined) return { lastSeq, places: places.size, damage, wrong, missing: `something before ${vanished}` }
  // a chain has moved on since the tables were asked, or stands where they say
  const last = heads.find(([tenant, author, { digest, seq }]) => {
    if (partitions.of(tenant) !== partition) return false
    const found = reader.head(tenant, author)
    return found === undefined || found.seq < seq || (found.seq === seq && found.digest !== digest)
  })
  return { lastSeq, places: places.size, damage, wrong, missing: last === undefined ? undefined : `the last commit of ${last[1]}, which was at ${last[2].seq}` }
})

/** What is wrong with the log itself, whoever reads it: not what one reader has no key or version for. */
const ofTheLog = ["gap", "quarantined", "uncovered"] as const

/** Nothing is opened that teaches the reader neither keys nor what was purged. */
const teachesNothing = ({ type }: Envelope) => !type.startsWith("peer.") && type !== "key.rotated" && type !== "conversation.expired"

/** In each epoch once: what this side wrote itself has no other author to send it again. */
const completeOwn = Effect.fnUntraced(function*(base: Parts, partition: Partition, own: OwnCommits) {
  const { log, mark } = partition
  if (mark.own_complete_in === mark.log_epoch) return
  yield* writeAgain(base, partition, own)
  partition.mark = { ...partition.mark, own_complete_in: mark.log_epoch }
  yield* keep(base.marks, partition)
  yield* log.setMetadata(metadataOf(partition.mark))
})

/**
 * A process that joined another's hub has what it wrote there in its own tables, which the other's may not have come to
 * before the disk lost it. In each new epoch it looks for that too, once the hub's own process has; several one after
 * the other, as chance has it. Two that wrote one event at the same moment would only have written it twice.
 */
export const watchJoined = (base: Parts, own: OwnCommits): Effect.Effect<never> =>
  Effect.andThen(
    Effect.forEach(base.partitions.all, (partition) => watchJoinedOne(base, partition, own), { concurrency: "unbounded", discard: true }),
    Effect.never)

const watchJoinedOne = Effect.fn("hosted.watchJoined")(function*(base: Parts, partition: Partition, own: OwnCommits): Effect.fn.Return<never> {
  for (;;) {
    const turned = SubscriptionRef.getUnsafe(partition.turned)
    while (partition.mark.own_complete_in !== partition.mark.log_epoch) yield* Effect.sleep(retryEvery)
    yield* Effect.sleep(Duration.times(turnMax, yield* Random.next))
    yield* writeAgain(base, partition, own).pipe(Effect.timeoutOption(patience), Effect.ignore)
    yield* otherThan(partition.turned, turned)
  }
})

/** Read to the end of the log, then write what it lacks of this side's own. It stands in the tables as it was. */
const writeAgain = Effect.fnUntraced(function*({ ask, hosted, partitions, projections }: Parts, partition: Partition, own: OwnCommits) {
  const { cursor, log, mark } = partition
  const end = Option.match(yield* log.last(patterns.logCommits), { onNone: () => 0, onSome: ({ seq }) => seq })
  yield* projections.changes.pipe(
    Stream.filter((at) => end === 0 || (at.get(cursor)?.epoch === String(mark.log_epoch) && (at.get(cursor)?.seq ?? 0) >= end)),
    Stream.runHead)
  // who writes comes before what is written
  const lost = [...yield* ask(unplacedTold(hosted.backendId)), ...yield* ask(unplacedOf(hosted.backendId))].filter(({ tenant }) => partitions.of(tenant) === partition)
  // one by one: it is rare, and contents may be as large as a commit
  for (const { opened, tenant } of lost) {
    yield* own.again(tenant, [opened]).pipe(
      Effect.catchTag("WriteInvalid", ({ why }) => Effect.logError(`the log lost a write of this side, and does not take it again: ${why}`, { tenant, event: opened.envelope.id })))
  }
  if (lost.length > 0) yield* Effect.logWarning("written again, since the log no longer held them", { events: lost.length })
})

const raise = Effect.fnUntraced(function*({ marks }: Parts, partition: Partition, found: Look) {
  partition.mark = nextEpoch(partition.mark, found)
  yield* keep(marks, partition)
  // where the server is away again, the next start writes it
  yield* Effect.ignore(partition.log.setMetadata(metadataOf(partition.mark)))
  yield* SubscriptionRef.update(partition.turned, (n) => n + 1)
})

/** A full disk waits for room, and with it what depends on this. */
const keep = (marks: Parts["marks"], { log, mark }: Partition) =>
  marks === undefined ? Effect.void : marks(log).save(mark).pipe(Effect.tapError(({ hint }) => Effect.logError(hint)), Effect.retry(keepRetries), Effect.orDie)

const keepRetries = Schedule.spaced("5 seconds")
