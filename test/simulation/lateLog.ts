import { Effect, Stream } from "effect"
import type { EventLog, LogUnavailable } from "../../src/nats/EventLog.ts"

/** A log that is looked up anew for every operation, because the stream may be deleted and made again meanwhile. */
export const lateLog = (name: string, open: Effect.Effect<EventLog, LogUnavailable>): EventLog => ({
  name,
  append: (batch) => Effect.flatMap(open, (log) => log.append(batch)),
  last: (subject) => Effect.flatMap(open, (log) => log.last(subject)),
  get: (seq) => Effect.flatMap(open, (log) => log.get(seq)),
  read: (options) => Stream.unwrap(Effect.map(open, (log) => log.read(options))),
  readRange: (options) => Stream.unwrap(Effect.map(open, (log) => log.readRange(options))),
  subjects: (pattern) => Effect.flatMap(open, (log) => log.subjects(pattern)),
  info: Effect.flatMap(open, (log) => log.info),
  setMetadata: (entries) => Effect.flatMap(open, (log) => log.setMetadata(entries)),
  purgeAll: Effect.flatMap(open, (log) => log.purgeAll),
  purge: (options) => Effect.flatMap(open, (log) => log.purge(options))
})
