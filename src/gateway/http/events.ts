import { Duration, Effect, Schedule, Stream } from "effect"
import { HttpServerResponse } from "effect/http"
import { randomUUID } from "node:crypto"
import type { Positions } from "../../../projections/runner.ts"
import type { EventTail, StoreUnavailable, Tailed, WriteInvalid } from "../../../streams/Backend.ts"
import type { Stirring } from "../../../streams/Observing.ts"
import { fromBackend, type Problem, problem } from "./problems.ts"

/** How often an idle stream says that it is alive: less than the minute after which proxies give up. */
const pingEvery = Duration.seconds(15)
/** What a browser waits before it comes back. */
const retryMillis = 1000

const fromPattern = /^(start|now|\d{1,16}(\.\d{1,16})?|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?)$/

/** Where to begin: what the browser saw last, else what was asked for, else now. */
export const startingPoint = (lastEventId: string | undefined, from: string | undefined): Effect.Effect<string, Problem> => {
  const at = lastEventId !== undefined && lastEventId !== "" ? lastEventId : from ?? "now"
  return fromPattern.test(at)
    ? Effect.succeed(at)
    : Effect.fail(problem(
      "cursor-invalid",
      `${JSON.stringify(at.slice(0, 100))} is no place in the event stream.`,
      "Use start, now, a time like 2026-11-22T10:00:00Z, or the id of an event received before.",
      { field: "from" }
    ))
}

/**
 * A tenant's events as Server-Sent Events: `id` resumes right after the event, `event` is its type, `data`
 * the opened CloudEvent. Stops when `ended` is done; a failure arrives as `event: problem`, then the end.
 * `place`: the cursor `from` stands for, told first, so that whoever leaves before the first event comes back to it.
 */
export const eventStream = (
  { tail }: EventTail["Service"],
  ended: Effect.Effect<void>,
  options: { readonly tenant: string; readonly from: string; readonly subject?: string; readonly place?: string }
): HttpServerResponse.HttpServerResponse => {
  const { place, ...wanted } = options
  const events = tail(place === undefined ? wanted : { ...wanted, from: place }).pipe(
    Stream.mapArray((batch) => [batch.map(frame).join("")] as const),
    Stream.catch((error) => Stream.succeed(failure(error)))
  )
  return streamed(Stream.succeed(`${place === undefined ? "" : `id: ${place}\n`}retry: ${retryMillis}\n\n`).pipe(Stream.concat(Stream.merge(events, pings, { haltStrategy: "left" }))), ended)
}

const streamed = (text: Stream.Stream<string>, ended: Effect.Effect<void>) =>
  HttpServerResponse.stream(Stream.encodeText(Stream.interruptWhen(text, ended)), {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-cache", "x-accel-buffering": "no", connection: "close" }
  })

/** What happens within this is one change. */
const gatherFor = Duration.millis(250)

/**
 * That something happened, for whoever looks after all tenants: `subject` says where (`log`, `telemetry`, `alerts`,
 * `peers`), and nothing says of whom. Nothing is missed by not hearing it again, so there is no place to resume from.
 */
export const changeStream = (positions: Stream.Stream<Positions>, stirrings: Stream.Stream<Stirring>, ended: Effect.Effect<void>): HttpServerResponse.HttpServerResponse => {
  const begun = randomUUID()
  let held: Positions | undefined
  let told = 0
  const moved = (now: Positions): ReadonlyArray<string> => {
    const before = held
    held = now
    return before === undefined ? [] : [...now].filter(([cursor, { seq }]) => seq !== before.get(cursor)?.seq).map(([cursor]) => cursor.startsWith("log") ? "log" : cursor)
  }
  const changes = positions.pipe(
    Stream.map(moved),
    Stream.merge(Stream.map(stirrings, (stirring): ReadonlyArray<string> => [stirring])),
    Stream.groupedWithin(1000, gatherFor),
    Stream.map((parts) => [...new Set(parts.flat())].map((subject) => frame({ cursor: String(++told), event: { id: `${begun}-${told}`, type: "changed", subject } })).join("")),
    Stream.filter((text) => text !== "")
  )
  return streamed(Stream.concat(Stream.succeed(`retry: ${retryMillis}\n\n`), Stream.merge(changes, pings)), ended)
}

const pings = Stream.fromSchedule(Schedule.spaced(pingEvery)).pipe(Stream.map(() => ": ping\n\n"))

/** JSON has no raw line breaks, so one `data:` line carries any event. */
const frame = ({ cursor, event }: Tailed): string =>
  `id: ${cursor}\nevent: ${String(event["type"]).replace(/[\r\n]/g, " ")}\ndata: ${JSON.stringify(event)}\n\n`

const failure = (error: WriteInvalid | StoreUnavailable): string =>
  `event: problem\ndata: ${JSON.stringify(fromBackend(error))}\n\n`
