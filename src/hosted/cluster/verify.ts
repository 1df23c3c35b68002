import { Duration, Effect, Schedule, Stream } from "effect"
import { createHash } from "node:crypto"
import type { Wired } from "../../nats/connect.ts"
import { jetStreamLog } from "../../nats/jetStreamLog.ts"
import type { EventLog, LogUnavailable, Stored } from "../../nats/EventLog.ts"
import { replicasOf } from "../../nats/replicas.ts"
import { compareCopies, type Place } from "./compareCopies.ts"
import { connectTo } from "./connecting.ts"
import { keptByAll } from "./keptByAll.ts"
import { ClusterRefused, type ClusterLayout } from "./layout.ts"

/** One server's copy of a stream that is not what the others hold. */
export interface Spoiled {
  readonly server: string
  readonly first_seq: number
  /** Messages it lacks, or cannot read. */
  readonly missing: number
  /** Messages it holds otherwise than most. */
  readonly other: number
}

/** A stream whose copies were compared. */
export interface Compared {
  readonly stream: string
  readonly servers: ReadonlyArray<string>
  /** As many as the server has that can read most. */
  readonly messages: number
  readonly through_seq: number
  readonly spoiled: ReadonlyArray<Spoiled>
  /** There are more than were counted. */
  readonly more: boolean
}

/** Sequences that are compared by one digest; one by one where that differs. */
const stretch = 1000
/** What is removed, or runs out, is gone from one server a moment before the next: what counts is found each time. */
const looks = 2
const lookWait = Duration.seconds(2)
/** Of one stream: beyond, they are not counted, as such a disk is to be replaced anyway. */
const placesMax = 100_000
/** A copy that is a moment behind is waited for. */
const catchingUp = Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(30)])

/** Called with the messages read so far, on all servers, and about how many there are. */
type Told = (at: number, of: number) => Effect.Effect<void>

/**
 * Read every server's own copy of every stream, and say where they differ. nats-server does not: its servers agree on
 * what is written, and each keeps its files by itself. What a server has in memory is compared as it is there.
 */
export const verifyCopies = Effect.fn("cluster.verify")(function*(dir: string, layout: ClusterLayout, told: Told) {
  const { wire } = yield* connectTo(dir, layout, "cluster verify")
  const plans = yield* Effect.forEach(keptByAll(layout), (stream) => planOf(wire, stream))
  const of = plans.reduce((sum, { messages, servers }) => sum + messages * servers.length, 0)
  let at = 0
  const read = (count: number) => told(at += count, of)
  const streams = yield* Effect.forEach(plans, (plan) => compareStream(wire, plan, read))
  return { equal: streams.every(({ spoiled }) => spoiled.length === 0), messages: streams.reduce((sum, { messages }) => sum + messages, 0), streams }
}, Effect.scoped)

type Plan = Omit<Compared, "spoiled" | "more">

const planOf = Effect.fnUntraced(function*(wire: Wired, stream: string) {
  const { servers } = yield* replicasOf(wire, stream).pipe(
    Effect.filterOrFail(({ whole }) => whole, ({ behind }) => new ClusterRefused({
      why: behind.length === 0 ? `${stream} has no leader` : `the copy of ${stream} on ${behind.join(", ")} is away or behind`,
      hint: "Copies are compared when all are there: start that server, wait until `maestra hosted cluster status` says that every copy is whole, and ask again."
    })),
    Effect.retry({ schedule: catchingUp, while: ({ _tag }) => _tag === "ClusterRefused" }))
  const { lastSeq, messages } = yield* jetStreamLog(wire, stream).info
  return { stream, servers, messages, through_seq: lastSeq } satisfies Plan
})

const compareStream = Effect.fnUntraced(function*(wire: Wired, plan: Plan, read: (count: number) => Effect.Effect<void>) {
  const { servers, stream, through_seq } = plan
  const log = jetStreamLog(wire, stream)
  const copies = yield* Effect.forEach(servers, (on) => stretchesOf(log, { on, from: 1, through: through_seq }, read), { concurrency: "unbounded" })
  const digests = copies.map((copy) => copy.digests)
  let suspects = [...new Set(digests.flatMap((one) => [...one.keys()]))].filter((index) => new Set(digests.map((one) => one.get(index))).size > 1).sort((a, b) => a - b)
  let places: ReadonlyArray<Place> | undefined
  for (let look = 0; look < looks && suspects.length > 0; look++) {
    if (look > 0) yield* Effect.sleep(lookWait)
    const found = yield* placesIn(log, plan, suspects)
    const known = places === undefined ? undefined : new Set(places.map(textOf))
    places = found.filter((place) => known?.has(textOf(place)) ?? true)
    suspects = [...new Set(places.map(({ seq }) => indexOf(seq)))]
  }
  return { ...plan, messages: Math.max(...copies.map(({ messages }) => messages)), spoiled: spoiledIn(places ?? []), more: (places ?? []).length > placesMax } satisfies Compared
})

const textOf = ({ seq, servers, what }: Place) => `${seq} ${what} ${servers.join(" ")}`
const indexOf = (seq: number) => Math.floor(seq / stretch)

/** Sequences of one server's copy, both included. */
interface Range {
  readonly on: string
  readonly from: number
  readonly through: number
}

const digestOf = ({ data, headers, subject, time }: Stored): string =>
  createHash("sha256").update(JSON.stringify([time, subject, headers])).update(data).digest("base64url")

/** A digest of each stretch of one copy, by its index; none where it holds nothing. */
const stretchesOf = Effect.fnUntraced(function*(log: EventLog, range: Range, read: (count: number) => Effect.Effect<void>) {
  const digests = new Map<number, string>()
  let messages = 0
  let index = 0
  let hash = createHash("sha256")
  let held = 0
  const close = () => {
    if (held > 0) digests.set(index, hash.digest("base64url"))
    hash = createHash("sha256")
    held = 0
  }
  yield* Stream.runForEach(log.readRange(range), (batch) => {
    for (const message of batch) {
      if (indexOf(message.seq) !== index) close()
      index = indexOf(message.seq)
      hash.update(`${message.seq} ${digestOf(message)}\n`)
      held++
    }
    messages += batch.length
    return read(batch.length)
  })
  close()
  return { digests, messages }
})

/** Where the copies differ in these stretches, sequence by sequence. */
const placesIn = Effect.fnUntraced(function*(log: EventLog, { servers, through_seq }: Plan, indexes: ReadonlyArray<number>): Effect.fn.Return<ReadonlyArray<Place>, LogUnavailable> {
  const places: Array<Place> = []
  for (const index of indexes) {
    const range = { from: Math.max(1, index * stretch), through: Math.min(through_seq, (index + 1) * stretch - 1) }
    const copies = yield* Effect.forEach(servers, (on) => Effect.map(digestsIn(log, { ...range, on }), (copy) => [on, copy] as const), { concurrency: "unbounded" })
    places.push(...compareCopies(new Map(copies)))
    if (places.length > placesMax) break
  }
  return places
})

const digestsIn = Effect.fnUntraced(function*(log: EventLog, range: Range) {
  const copy = new Map<number, string>()
  yield* Stream.runForEach(log.readRange(range), (batch) => Effect.sync(() => batch.forEach((message) => copy.set(message.seq, digestOf(message)))))
  return copy
})

/** By server, sorted. */
const spoiledIn = (places: ReadonlyArray<Place>): ReadonlyArray<Spoiled> =>
  [...new Set(places.flatMap(({ servers }) => servers))].sort().map((server) => {
    const mine = places.filter(({ servers }) => servers.includes(server))
    const many = (what: Place["what"]) => mine.filter((place) => place.what === what).length
    return { server, first_seq: mine[0]!.seq, missing: many("missing"), other: many("other") }
  })
