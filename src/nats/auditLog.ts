import { Effect, Stream } from "effect"
import type { Progress } from "../../streams/Backend.ts"
import type { LogAudit } from "../security/LogAudit.ts"
import type { EventLog, LogUnavailable } from "./EventLog.ts"

/** Read a log from its beginning through an audit. The last progress carries what was found, and `more`. */
export const auditLog = (
  log: EventLog,
  range: { readonly through: number; readonly filter?: string },
  audit: LogAudit,
  more: Effect.Effect<Readonly<Record<string, unknown>>>
): Stream.Stream<Progress, LogUnavailable> => {
  const read = (from: number, through: number) =>
    log.readRange({ from, through, ...(range.filter === undefined ? {} : { filter: range.filter }) }).pipe(
      Stream.map((batch): Progress => {
        audit.read(batch)
        return { done: false, at: batch.at(-1)?.seq ?? 0, of: range.through }
      }))
  // what was purged while we read was announced before, behind the end there was when we began
  const announced = Stream.unwrap(Effect.suspend(() => audit.lacks ? Effect.map(log.info, ({ lastSeq }) => read(range.through + 1, lastSeq)) : Effect.succeed(Stream.empty)))
  const whole = Stream.concat(read(1, range.through), announced)
  const afresh = Stream.unwrap(Effect.sync(() => {
    if (!audit.isLate) return Stream.empty
    audit.again()
    return whole
  }))
  return whole.pipe(
    Stream.concat(afresh),
    Stream.concat(Stream.fromEffect(Effect.map(more, (extra): Progress => ({ done: true, at: range.through, of: range.through, result: { ...audit.result(), ...extra } })))))
}
