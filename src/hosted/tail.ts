import { Effect, Result, Stream } from "effect"
import type { Projections } from "../../projections/runner.ts"
import { untilShown } from "../../projections/untilShown.ts"
import { StoreUnavailable, type Tailed, WriteInvalid } from "../../streams/Backend.ts"
import type { Envelope } from "../../streams/Envelope.ts"
import { timePattern } from "../../streams/ids.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { subjects } from "../../streams/subjects.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import { type AuthorEntry, AuthorKeys } from "../security/AuthorKeys.ts"
import { type ChainHead, LogReader } from "../security/LogReader.ts"
import { readLog } from "../security/openLog.ts"

export interface HostedTailContext {
  readonly logOf: (tenant: string) => EventLog
  readonly open: (tenant: string, envelope: Envelope) => OpenResult
  readonly hosted: AuthorEntry
  readonly remembered: Effect.Effect<{ readonly heads: Iterable<readonly [string, string, ChainHead]>; readonly keys: Iterable<readonly [string, string, AuthorEntry]> }>
  readonly end: (tenant: string) => number
  readonly projections: Pick<Projections["Service"], "positions" | "settled">
  /** The input of the tables that is this tenant's log. */
  readonly cursorOf: (tenant: string) => string
}

const placeOf = (from: string, end: number): Result.Result<{ readonly seq: number; readonly since: string }, WriteInvalid> => {
  if (from === "start") return Result.succeed({ seq: 0, since: "" })
  if (from === "now") return Result.succeed({ seq: end, since: "" })
  if (timePattern.test(from)) return Result.succeed({ seq: 0, since: from })
  return /^\d{1,15}$/.test(from)
    ? Result.succeed({ seq: Number(from), since: "" })
    : Result.fail(new WriteInvalid({ why: `not a place in the event stream: ${from.slice(0, 40)}`, hint: "Give start, now, a sequence, or a time YYYY-MM-DDTHH:mm:ss.sssZ." }))
}

/** A tenant's events, verified and opened, from a place in the log on, live; each when the tables show it. */
export const tailHosted = (
  context: HostedTailContext,
  options: { readonly tenant: string; readonly from: string; readonly subject?: string }
): Stream.Stream<Tailed, WriteInvalid | StoreUnavailable> =>
  Stream.unwrap(Effect.gen(function*() {
    const { seq, since } = yield* Effect.fromResult(placeOf(options.from, context.end(options.tenant)))
    const { keys } = yield* context.remembered
    const reader = new LogReader(new AuthorKeys(context.hosted, keys))
    const shown = untilShown(context.projections, context.cursorOf(options.tenant))
    return context.logOf(options.tenant).read({ from: seq + 1, filter: subjects.logTenant(options.tenant) }).pipe(
      Stream.map((batch) =>
        readLog(reader, batch, { open: context.open, isOwn: () => false }).flatMap((item) =>
          item.kind === "problem" ? [] : item.events.flatMap((event): ReadonlyArray<Tailed> => {
            if (event._tag !== "opened") return []
            const { envelope, fact } = event.opened
            if ((since !== "" && envelope.time < since) || (options.subject !== undefined && envelope.subject !== options.subject)) return []
            return [{ cursor: String(event.seq), event: { ...envelope, datacontenttype: "application/json", data: fact.data } }]
          }))),
      Stream.mapEffect((told) => told.length === 0 ? Effect.succeed(told) : Effect.as(shown(Number(told.at(-1)!.cursor)), told)),
      Stream.flattenIterable)
  })).pipe(Stream.mapError((error: WriteInvalid | LogUnavailable) => error._tag === "LogUnavailable" ? new StoreUnavailable({ hint: "The log does not answer right now; try again in a moment." }) : error))
