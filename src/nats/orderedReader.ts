import { createInbox, type Msg, nuid } from "@nats-io/transport-node"
import { Cause, Deferred, Duration, Effect, Schedule, Schema, Stream } from "effect"
import { payloadMaxBytes } from "../../streams/limits.ts"
import { api, type ApiError, ApiRefused, codes, ConsumerInfo, isCode } from "./jetStreamApi.ts"
import { LogUnavailable, type Stored } from "./EventLog.ts"
import type { Wire } from "./connect.ts"
import { makeShelf, type Shelf } from "./shelf.ts"

export interface OrderedRead {
  readonly stream: string
  readonly from: number
  readonly filter?: string
  /** Ends there (included), or where nothing more matches. Without it: live, without end. */
  readonly through?: number
  /**
   * Of a cluster's servers the one whose own copy is read, by a finite read. What it lacks is left out, and messages come
   * with their headers.
   */
  readonly on?: string
}

/** One request to the server. Its bytes must cover the largest message, or that one would never come. */
const pullEvents = 2000
const pullMaxBytes = payloadMaxBytes + 1024 * 1024
const pullExpiry = Duration.seconds(30)
const heartbeat = Duration.seconds(1)
/** Heartbeats missed until the consumer counts as dead. */
const silentBeatsMax = 2
/** A consumer nobody asks anything of is dropped by the server; a slow reader gets a new one. */
const consumerIdleMax = Duration.minutes(1)
const retryWaitMax = Duration.seconds(1)
/** With the link up, this many consumers in a row that never said a word (about 30 s) are reported. */
const refusalsMax = 34
/** Until a consumer that was just made says which server it lives on. */
const placedRetries = Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(20)])

/**
 * Read a stream in order: an unacknowledged consumer in the server's memory, replaced by a new one from the next
 * sequence whenever something is odd (gap, silence, restart, leader change), so nothing is skipped or doubled.
 * Ours rather than the library's: it hands over what has arrived as one array, and its memory is bounded in bytes.
 */
export const orderedRead = (wire: Wire, options: OrderedRead): Stream.Stream<ReadonlyArray<Stored>, LogUnavailable> =>
  Stream.unwrap(Effect.gen(function*() {
    const shelf = makeShelf(options.from)
    yield* supervise(wire, options, shelf).pipe(
      Effect.onExit((exit) => Effect.sync(() => shelf.finish(exit._tag === "Failure" ? Effect.failCause(exit.cause) : Cause.done()))),
      Effect.forkScoped
    )
    return Stream.fromPull(Effect.succeed(Effect.map(shelf.take, (events) => [events] as const)))
  }))

/** How many messages there are from `from` on, exactly: a durable consumer's own count trails an append by a moment. */
export const countFrom = (wire: Wire, options: Pick<OrderedRead, "stream" | "from" | "filter">): Effect.Effect<number, LogUnavailable> => {
  const { from, stream } = options
  const name = `count_${nuid.next()}`
  return createConsumer(wire, options, name, from).pipe(
    Effect.map(({ num_pending }) => num_pending),
    Effect.ensuring(Effect.sync(() => dropConsumer(wire, stream, name))),
    Effect.mapError(unavailable(stream))
  )
}

/** How many messages of a filter there are up to `through` (included), exactly; `undefined` while they arrive too fast to tell. */
export const countThrough = Effect.fnUntraced(function*(wire: Wire, { filter, stream, through }: { readonly stream: string; readonly filter: string; readonly through: number }) {
  const countBehind = countFrom(wire, { stream, filter, from: through + 1 })
  let behind = yield* countBehind
  for (let tries = 0; tries < countsMax; tries++) {
    const all = yield* countFrom(wire, { stream, filter, from: 1 })
    const after = yield* countBehind
    if (after === behind) return all - behind
    behind = after
  }
  return undefined
})

/** Counts of a stream that moves meanwhile. */
const countsMax = 5

/** One consumer after the other until the range is read. */
const supervise = (wire: Wire, options: OrderedRead, shelf: Shelf): Effect.Effect<void, LogUnavailable> =>
  Effect.gen(function*() {
    let refusals = 0
    while (true) {
      yield* wire.awaitUp
      const result = yield* Effect.result(Effect.scoped(session(wire, options, shelf)))
      if (result._tag === "Success" && result.success === "complete") return
      if (wire.nats.isClosed()) return yield* new LogUnavailable({ stream: options.stream, cause: new Error("connection closed") })
      if (result._tag === "Success" && result.success === "again") refusals = 0
      else if (wire.isUp()) refusals++
      if (refusals > refusalsMax) {
        return yield* new LogUnavailable({ stream: options.stream, cause: result._tag === "Failure" ? result.failure : new Error("its consumers say nothing") })
      }
      if (refusals > 0) yield* Effect.sleep(Duration.min(retryWaitMax, Duration.millis(50 * refusals)))
    }
  })

/** `again` when the consumer was alive once, `mute` when it never said a word, `short` when a finite read has come to what its copy of the stream ends with. */
type Ending = "again" | "mute" | "complete" | "short"

/** The life of one consumer: made, asked for more as room allows, removed. */
const session = (wire: Wire, options: OrderedRead, shelf: Shelf) =>
  Effect.gen(function*() {
    const name = `read_${nuid.next()}`
    const inbox = createInbox(wire.inboxPrefix)
    const ended = yield* Deferred.make<Ending>()
    let alive = false
    const end = (how: Exclude<Ending, "mute">) => void Deferred.doneUnsafe(ended, Effect.succeed(how === "again" && !alive ? "mute" : how))
    const asking = makeAsking(wire, options, shelf, `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${name}`, inbox)
    const receive = makeReceiver(options, shelf, asking, end)

    yield* Effect.acquireRelease(
      Effect.sync(() =>
        wire.nats.subscribe(inbox, {
          callback: (error, message) => {
            if (error !== null) return end("again")
            receive(message)
            alive = true
          }
        })
      ),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
    yield* Effect.acquireRelease(Effect.sync(() => wire.onDown(() => end("again"))), (forget) => Effect.sync(forget))
    const consumer = yield* Effect.acquireRelease(
      createConsumer(wire, options, name, shelf.next),
      () => Effect.sync(() => dropConsumer(wire, options.stream, name))
    )
    // a consumer gives what its own server holds, and which that is, is chance
    if (options.on !== undefined && (yield* serverOf(wire, options.stream, name)) !== options.on) return "mute" as const
    const { through } = options
    // of three copies one may still be filling: whoever leads the stream knows whether there is more
    const settled = (how: Ending) =>
      how !== "short" || through === undefined ? Effect.succeed(how)
      : options.on !== undefined ? Effect.succeed("complete" as const)
      : Effect.map(hasMore(wire, options, shelf.next, through), (more) => more ? "mute" as const : "complete" as const)
    if (through !== undefined && consumer.num_pending === 0) return yield* settled("short")

    shelf.onTaken = asking.more
    yield* Effect.addFinalizer(() => Effect.sync(() => {
      shelf.onTaken = () => {}
    }))
    asking.more()
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(heartbeat), Effect.sync(() => {
      if (asking.isSilent()) end("again")
    }))))
    return yield* Effect.flatMap(Deferred.await(ended), settled)
  })

/** Where a consumer with one replica lives; nowhere yet, or nobody says. */
const serverOf = (wire: Wire, stream: string, consumer: string): Effect.Effect<string | undefined> =>
  api(wire, `CONSUMER.INFO.${stream}.${consumer}`, undefined, ConsumerInfo).pipe(
    Effect.map(({ cluster }) => cluster?.leader),
    Effect.filterOrFail((leader) => leader !== undefined),
    Effect.retry(placedRetries),
    Effect.orElseSucceed(() => undefined))

/** Whether the stream's leader has any message of these from `from` on, up to `through`. */
const hasMore = (wire: Wire, { filter = ">", stream }: OrderedRead, from: number, through: number): Effect.Effect<boolean, ApiError> =>
  from > through ? Effect.succeed(false) : api(wire, `STREAM.MSG.GET.${stream}`, { seq: from, next_by_subj: filter }, Found).pipe(
    Effect.map(({ message: { seq } }) => seq <= through),
    Effect.catchIf((error) => isCode(error, codes.noMessageFound), () => Effect.succeed(false)))

const Found = Schema.Struct({ message: Schema.Struct({ seq: Schema.Int }) })

const createConsumer = (wire: Wire, options: OrderedRead, name: string, from: number) =>
  api(wire, `CONSUMER.CREATE.${options.stream}.${name}`, { stream_name: options.stream, config: consumerConfig(name, options, from) }, Created)

const Created = Schema.Struct({ num_pending: Schema.Int })

const consumerConfig = (name: string, { filter }: OrderedRead, from: number) => ({
  name,
  deliver_policy: "by_start_sequence",
  opt_start_seq: from,
  ack_policy: "none",
  replay_policy: "instant",
  inactive_threshold: Duration.toMillis(consumerIdleMax) * 1_000_000,
  mem_storage: true,
  num_replicas: 1,
  ...(filter !== undefined && { filter_subject: filter })
})

/** Without waiting for the answer: if it is lost, the server drops the consumer by itself. */
const dropConsumer = (wire: Wire, stream: string, name: string) => {
  if (wire.isUp() && !wire.nats.isClosed() && !wire.nats.isDraining()) {
    wire.nats.publish(`$JS.API.CONSUMER.DELETE.${stream}.${name}`, undefined, { reply: createInbox(wire.inboxPrefix) })
  }
}

/** How many messages we asked for and still wait for. */
interface Asking {
  /** Ask for more if there is room. */
  readonly more: () => void
  readonly heard: () => void
  readonly gotOne: () => void
  readonly gaveBack: (count: number) => void
  /** True when nothing, not even a heartbeat, came since the last two calls although we wait. */
  readonly isSilent: () => boolean
}

const makeAsking = (wire: Wire, options: OrderedRead, shelf: Shelf, subject: string, inbox: string): Asking => {
  const finite = options.through !== undefined
  // A finite read asks for what is there; a live one waits for what comes, and asks again while half is still out.
  const request = JSON.stringify({
    batch: pullEvents,
    max_bytes: pullMaxBytes,
    ...(finite ? { no_wait: true } : { expires: Duration.toMillis(pullExpiry) * 1_000_000, idle_heartbeat: Duration.toMillis(heartbeat) * 1_000_000 })
  })
  const askAgainAt = finite ? 0 : pullEvents / 2
  let owed = 0
  let silentBeats = 0
  const more = () => {
    if (owed > askAgainAt || !shelf.hasRoom() || wire.nats.isClosed() || wire.nats.isDraining()) return
    owed += pullEvents
    silentBeats = 0
    wire.nats.publish(subject, request, { reply: inbox })
  }
  return {
    more,
    heard: () => {
      silentBeats = 0
    },
    gotOne: () => {
      owed--
      if (owed <= askAgainAt) more()
    },
    gaveBack: (count) => {
      owed = Math.max(0, owed - count)
      more()
    },
    isSilent: () => owed > 0 && ++silentBeats > silentBeatsMax
  }
}

const makeReceiver = (options: OrderedRead, shelf: Shelf, asking: Asking, end: (how: "again" | "complete" | "short") => void) => {
  const through = options.through ?? Number.POSITIVE_INFINITY
  let delivered = 0
  let over = false
  const stop = (how: "again" | "complete" | "short") => {
    over = true
    end(how)
  }
  const receive = (message: Msg): void => {
    if (over) return
    asking.heard()
    const at = message.reply === undefined || message.reply === "" ? undefined : parseDelivery(message.reply)
    if (at === undefined) return receiveStatus(message)
    if (at.delivery !== delivered + 1 || at.seq < shelf.next) return stop("again")
    delivered++
    if (at.seq > through) return stop("complete")
    shelf.put({ seq: at.seq, subject: message.subject, data: message.data, time: at.time, ...(options.on !== undefined && { headers: [...message.headers ?? []] }) })
    if (at.seq === through) return stop("complete")
    asking.gotOne()
  }
  const receiveStatus = ({ headers }: Msg) => {
    const code = headers?.code ?? 0
    if (code === 100) {
      // The server has delivered more than we have got: something was lost on the way.
      return Number(headers?.get("Nats-Last-Consumer") || delivered) > delivered ? stop("again") : undefined
    }
    if (code === 404) return stop(options.through === undefined ? "again" : "short")
    const unused = headers?.get("Nats-Pending-Messages")
    // A request that ran out of time or bytes says how much of it is left; anything else ends this consumer.
    if ((code === 408 || code === 409) && unused !== undefined && unused !== "") return asking.gaveBack(Number(unused))
    return stop("again")
  }
  return receive
}

/**
 * `$JS.ACK.<stream>.<consumer>.<attempt>.<seq>.<delivery>.<nanoseconds>.<pending>`, or with domain and account after
 * `ACK` and a token more at the end: the fields before `pending` are what we need.
 */
export const parseDelivery = (reply: string): { readonly seq: number; readonly delivery: number; readonly time: number } | undefined => {
  if (!reply.startsWith("$JS.ACK.")) return undefined
  const parts = reply.split(".")
  const at = parts.length === 9 ? 5 : 7
  return { seq: Number(parts[at]), delivery: Number(parts[at + 1]), time: Math.floor(Number(parts[at + 2]) / 1_000_000) }
}

/** How long the opening question of a read is repeated over an outage: about 30 s of asking. A refusal is final. */
export const openingRetries = {
  schedule: Schedule.spaced("200 millis"),
  times: 150,
  while: ({ cause }: LogUnavailable) => !(cause instanceof ApiRefused)
} as const

export const unavailable = (stream: string) => (cause: ApiError) => new LogUnavailable({ stream, cause })
