import { Context, Effect, LogLevel, Option, References, Tracer } from "effect"

/** Whether spans go anywhere. Without it nothing is made, and events carry a trace only if whoever wrote them brought one. */
export const Tracing = Context.Reference<boolean>("streams/Tracing", { defaultValue: () => false })

/** W3C Trace Context, version 00. Anything else is not passed on. */
const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

const isTraceparent = (text: string): boolean => traceparentPattern.test(text)

/** What an event says of the trace it belongs to. */
export interface Traced {
  readonly id: string
  readonly traceparent?: string
}

/** Spans of one batch: a commit of a thousand events is told of by its first. */
const spansMax = 16

/** Ids in one line of the log. */
const idsMax = 100

/**
 * Note a step on the way of events, at level Debug: with `--log-level debug` one event's id is found in the logs of all
 * processes it came through. Ids, and nothing of what events say.
 */
export const noted = (step: string, ids: () => ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.flatMap(References.MinimumLogLevel, (level) => {
    if (!LogLevel.isLessThanOrEqualTo(level, "Debug")) return Effect.void
    const all = ids()
    return all.length === 0 ? Effect.void : Effect.logDebug(step, { events: all.slice(0, idsMax), count: all.length })
  })

/** The span a `traceparent` names, where its trace is kept. */
const parentOf = (traceparent: string | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = traceparentPattern.exec(traceparent ?? "") ?? []
  if (traceId === undefined || spanId === undefined || (parseInt(flags ?? "0", 16) & 1) === 0) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: true })
}

/** One span in each of these traces, over one step. */
const inTraces = (step: string, traces: () => ReadonlyArray<{ readonly traceparent: string | undefined; readonly attributes: Readonly<Record<string, string | number>> }>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Tracing, (on) => {
      if (!on) return effect
      const parents = traces().flatMap(({ attributes, traceparent }) => {
        const parent = parentOf(traceparent)
        return parent === undefined ? [] : [{ attributes, parent }]
      })
      return parents.slice(0, spansMax).reduce((inner, options) => Effect.withSpan(inner, step, options), effect)
    })

/** A span in the trace of each event, over this step of their way. One event's way is one trace, on all its machines. */
export const traced = (step: string, events: () => ReadonlyArray<Traced>) =>
  inTraces(step, () => events().map(({ id, traceparent }) => ({ traceparent, attributes: { "event.id": id } })))

/**
 * The same for telemetry, whose trace is its batch's: a span for each batch that has events here. How many is said, and
 * not which: an event id of telemetry is free text.
 */
export const tracedTelemetry = (step: string, events: () => ReadonlyArray<{ readonly traceparent?: string }>) =>
  inTraces(step, () => {
    const batches = new Map<string | undefined, number>()
    for (const { traceparent } of events()) batches.set(traceparent, (batches.get(traceparent) ?? 0) + 1)
    return [...batches].map(([traceparent, count]) => ({ traceparent, attributes: { "batch.events": count } }))
  })

/** The beginning of a trace, for telemetry that came with no request of its own: frames of a WebSocket, the program's own. */
export const tracedBatch = (events: number) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Tracing, (on) => on ? Effect.withSpan(effect, "maestra.batch", { root: true, attributes: { "batch.events": events } }) : effect)

/** A span over answering a request, in the trace its caller began, if any. No address, no header: they may hold secrets. */
export const tracedRequest = (method: string, traceparent: string | undefined) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Tracing, (on) => {
      if (!on) return effect
      const parent = parentOf(traceparent)
      return Effect.withSpan(effect, "maestra.request", { kind: "server", attributes: { "http.request.method": method }, ...(parent === undefined ? { root: true } : { parent }) })
    })

/** What an event written now says of its trace: the request's own span where spans are kept, else what the caller brought. */
export const traceparentNow = (brought: string | undefined): Effect.Effect<string | undefined> =>
  Effect.gen(function*() {
    const span = (yield* Tracing) ? Option.getOrUndefined(yield* Effect.option(Effect.currentSpan)) : undefined
    if (span !== undefined) return `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
    return brought !== undefined && isTraceparent(brought) ? brought : undefined
  })
