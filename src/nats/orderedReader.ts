import { createInbox, type Msg, nuid } from "@nats-io/transport-node"
import { Cause, Deferred, Duration, Effect, Schema, Stream } from "effect"
import { payloadMaxBytes } from "../../streams/limits.ts"
import { api, type ApiError, ConsumerInfo } from "./jetStreamApi.ts"
import { LogUnavailable, type Stored } from "./EventLog.ts"
import type { Wire } from "./connect.ts"

export interface OrderedRead {
  readonly stream: string
  readonly from: number
  readonly filter?: string
  /** Ends there (included), or where nothing more matches. Without it: live, without end. */
  readonly through?: number
}

/** One delivered array: as much as has arrived, at most this. */
const batchMaxEvents = 2000
const batchMaxBytes = 2 * 1024 * 1024
/** One request to the server. Its bytes must cover the largest message, or that one would never come. */
const pullEvents = 2000
const pullMaxBytes = payloadMaxBytes + 1024 * 1024
/** No further request while this much waits to be taken: with two requests out, 22 MiB is the most one reader holds. */
const waitingMaxEvents = 4000
const waitingMaxBytes = 4 * 1024 * 1024
const pullExpiry = Duration.seconds(30)
const heartbeat = Duration.seconds(1)
/** Heartbeats missed until the consumer counts as dead. */
const silentBeatsMax = 2
/** A consumer nobody asks anything of is dropped by the server; a slow reader gets a new one. */
const consumerIdleMax = Duration.minutes(1)
const retryWaitMax = Duration.seconds(1)
/** With the link up, a stream that cannot be read this many times in a row (about 30 s) is reported. */
const refusalsMax = 34

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

/** Where events wait between the connection and the reader. */
interface Shelf {
  /** The sequence the next event must at least have. */
  next: number
  readonly put: (event: Stored) => void
  readonly hasRoom: () => boolean
  readonly finish: (end: Effect.Effect<never, LogUnavailable | Cause.Done>) => void
  readonly take: Effect.Effect<ReadonlyArray<Stored>, LogUnavailable | Cause.Done>
  /** Called after each take: there may be room for more. */
  onTaken: () => void
}

const makeShelf = (from: number): Shelf => {
  let waiting: Array<Stored> = []
  let bytes = 0
  let end: Effect.Effect<never, LogUnavailable | Cause.Done> | undefined
  let wake: (() => void) | undefined

  const grab = (): ReadonlyArray<Stored> => {
    let count = 0
    let size = 0
    while (count < waiting.length && count < batchMaxEvents && (size === 0 || size + waiting[count]!.data.length <= batchMaxBytes)) {
      size += waiting[count++]!.data.length
    }
    const events = count === waiting.length ? waiting : waiting.splice(0, count)
    if (events === waiting) waiting = []
    bytes -= size
    shelf.onTaken()
    return events
  }
  const take: Shelf["take"] = Effect.suspend(() => {
    if (waiting.length > 0) return Effect.sync(grab)
    if (end !== undefined) return end
    return Effect.callback<void>((resume) => {
      wake = () => {
        wake = undefined
        // Not before the rest of what came in the same packet is here as well.
        queueMicrotask(() => resume(Effect.void))
      }
      return Effect.sync(() => {
        wake = undefined
      })
    }).pipe(Effect.andThen(take))
  })
  const shelf: Shelf = {
    next: Math.max(1, from),
    put: (event) => {
      waiting.push(event)
      bytes += event.data.length
      shelf.next = event.seq + 1
      wake?.()
    },
    hasRoom: () => waiting.length < waitingMaxEvents && bytes < waitingMaxBytes,
    finish: (how) => {
      end = how
      wake?.()
    },
    take,
    onTaken: () => {}
  }
  return shelf
}

/** One consumer after the other until the range is read. */
const supervise = (wire: Wire, options: OrderedRead, shelf: Shelf): Effect.Effect<void, LogUnavailable> =>
  Effect.gen(function*() {
    let refusals = 0
    while (true) {
      yield* wire.awaitUp
      const before = shelf.next
      const result = yield* Effect.result(Effect.scoped(session(wire, options, shelf)))
      if (result._tag === "Success" && result.success === "complete") return
      if (wire.nats.isClosed()) return yield* new LogUnavailable({ stream: options.stream, cause: new Error("connection closed") })
      refusals = result._tag === "Success" || shelf.next > before ? 0 : refusals + 1
      if (refusals > refusalsMax && result._tag === "Failure") {
        return yield* new LogUnavailable({ stream: options.stream, cause: result.failure })
      }
      if (refusals > 0) yield* Effect.sleep(Duration.min(retryWaitMax, Duration.millis(50 * refusals)))
    }
  })

type Ending = "again" | "complete"

/** The life of one consumer: made, asked for more as room allows, removed. */
const session = (wire: Wire, options: OrderedRead, shelf: Shelf) =>
  Effect.gen(function*() {
    const name = `read_${nuid.next()}`
    const inbox = createInbox(wire.inboxPrefix)
    const ended = yield* Deferred.make<Ending>()
    const end = (how: Ending) => void Deferred.doneUnsafe(ended, Effect.succeed(how))
    const asking = makeAsking(wire, options, shelf, `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${name}`, inbox)
    const receive = makeReceiver(options, shelf, asking, end)

    yield* Effect.acquireRelease(
      Effect.sync(() => wire.nats.subscribe(inbox, { callback: (error, message) => error === null ? receive(message) : end("again") })),
      (subscription) => Effect.sync(() => subscription.unsubscribe())
    )
    yield* Effect.acquireRelease(Effect.sync(() => wire.onDown(() => end("again"))), (forget) => Effect.sync(forget))
    const consumer = yield* Effect.acquireRelease(
      api(wire, `CONSUMER.CREATE.${options.stream}.${name}`, { stream_name: options.stream, config: consumerConfig(name, options, shelf.next) }, Created),
      () => Effect.sync(() => dropConsumer(wire, options.stream, name))
    )
    if (options.through !== undefined && consumer.num_pending === 0) return "complete" as const

    shelf.onTaken = asking.more
    yield* Effect.addFinalizer(() => Effect.sync(() => {
      shelf.onTaken = () => {}
    }))
    asking.more()
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(heartbeat), Effect.sync(() => {
      if (asking.isSilent()) end("again")
    }))))
    return yield* Deferred.await(ended)
  })

const Created = Schema.Struct({ num_pending: ConsumerInfo.fields.num_pending })

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

const makeReceiver = (options: OrderedRead, shelf: Shelf, asking: Asking, end: (how: Ending) => void) => {
  const through = options.through ?? Number.POSITIVE_INFINITY
  let delivered = 0
  let over = false
  const stop = (how: Ending) => {
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
    shelf.put({ seq: at.seq, subject: message.subject, data: message.data, time: at.time })
    if (at.seq === through) return stop("complete")
    asking.gotOne()
  }
  const receiveStatus = ({ headers }: Msg) => {
    const code = headers?.code ?? 0
    if (code === 100) {
      // The server has delivered more than we have got: something was lost on the way.
      return Number(headers?.get("Nats-Last-Consumer") || delivered) > delivered ? stop("again") : undefined
    }
    if (code === 404) return stop(options.through === undefined ? "again" : "complete")
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

export const unavailable = (stream: string) => (cause: ApiError) => new LogUnavailable({ stream, cause })
