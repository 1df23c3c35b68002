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
): Stream.Stream<Progress, LogUnavailable> =>
  log.readRange({ from: 1, ...range }).pipe(
    Stream.map((batch): Progress => {
      audit.read(batch)
      return { done: false, at: batch.at(-1)?.seq ?? 0, of: range.through }
    }),
    Stream.concat(Stream.fromEffect(Effect.map(more, (extra): Progress => ({ done: true, at: range.through, of: range.through, result: { ...audit.result(), ...extra } })))))
