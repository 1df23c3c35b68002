import { Effect, Result, Stream } from "effect"
import type { Draft, WriteError } from "../../streams/Backend.ts"
import { decode, interpret } from "../../streams/Envelope.ts"
import { commitEventsMax } from "../../streams/limits.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import type { Journal } from "./Journal.ts"

/**
 * Write events that were withheld once more, under new ids and stamps, so that the gate judges them by today's
 * settings. The old ones stay as they are. Returns how many were written.
 */
export const rejournal = Effect.fn("local.rejournal")(function*(journal: Journal, log: EventLog, eventIds: ReadonlySet<string>): Effect.fn.Return<number, WriteError | LogUnavailable> {
  if (eventIds.size === 0) return 0
  const { lastSeq } = yield* log.info
  const drafts = yield* log.readRange({ from: 1, through: lastSeq }).pipe(
    Stream.runFold((): Array<Draft> => [], (found, batch) => {
      for (const stored of batch) {
        const envelope = decode(stored.data)
        if (Result.isFailure(envelope) || !eventIds.has(envelope.success.id)) continue
        const opened = interpret(envelope.success, envelope.success.data)
        if (Result.isSuccess(opened)) found.push({ fact: opened.success.fact, subject: envelope.success.subject, surface: envelope.success.surface })
      }
      return found
    }))
  for (let at = 0; at < drafts.length; at += commitEventsMax) yield* journal.write(drafts.slice(at, at + commitEventsMax))
  return drafts.length
})
