import { type Effect, type Option, Schema, type Stream } from "effect"

/** The server cannot be reached, or did not answer in time. Whether the append happened is unknown: read before repeating. */
export class LogUnavailable extends Schema.TaggedError<LogUnavailable>()("LogUnavailable", { stream: Schema.String, cause: Schema.Defect() }) {}

/** Another writer was first on a subject this append expected to extend. Nothing was written. */
export class LogFenced extends Schema.TaggedError<LogFenced>()("LogFenced", { stream: Schema.String }) {}

/** The stream's size limit or the disk is full. Nothing was written; free space, then the same append succeeds. */
export class LogFull extends Schema.TaggedError<LogFull>()("LogFull", { stream: Schema.String, hint: Schema.String }) {}

/** The server will never take this append (too large, too many, no such stream). Nothing was written. */
export class LogRefused extends Schema.TaggedError<LogRefused>()("LogRefused", { stream: Schema.String, code: Schema.Int, why: Schema.String }) {}

export type AppendError = LogUnavailable | LogFenced | LogFull | LogRefused

/** One message as the stream holds it. `time` is the server's, in milliseconds since 1970. */
export interface Stored {
  readonly seq: number
  readonly subject: string
  readonly data: Uint8Array
  readonly time: number
  /** Only where one server's own copy is read. */
  readonly headers?: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
}

export interface Append {
  readonly subject: string
  readonly data: Uint8Array
  /** Fence: the subject's last sequence (0: none) must still be this. */
  readonly expectedLast?: number
  /** Whose last sequence the fence is about, a pattern: the message's own subject without it. */
  readonly expectedOn?: string
  /** Message id for the server's duplicate window. Single appends only, never in a batch. */
  readonly messageId?: string
}

export interface LogInfo {
  /** When the server made the stream: tells a re-created one from the one we knew. */
  readonly createdAt: string
  readonly firstSeq: number
  readonly lastSeq: number
  readonly messages: number
  readonly bytes: number
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * An append-only stream in our own words. Implemented on JetStream (`jetStreamLog`) and in memory
 * (`memoryLog`); both pass `test/support/suites/eventLog.ts`.
 */
export interface EventLog {
  readonly name: string
  /**
   * Append all or nothing, in order, durable when it returns. One element goes as a plain publish,
   * more as one atomic batch (1,000 at most). Returns the sequence of the first and the last.
   */
  readonly append: (batch: ReadonlyArray<Append>) => Effect.Effect<{ readonly first: number; readonly last: number }, AppendError>
  /** The newest message on a subject (or on those of a pattern), from the stream's leader (never a follower that may lag). */
  readonly last: (subject: string) => Effect.Effect<Option.Option<Stored>, LogUnavailable>
  readonly get: (seq: number) => Effect.Effect<Option.Option<Stored>, LogUnavailable>
  /**
   * Everything from `from` on (1 = the beginning), live and without end, in order, in batches as they
   * arrive. Survives reconnects and server restarts: nothing skipped, nothing twice. Waits as long as the link is
   * down; fails when the server answers but cannot serve the stream for about 30 s.
   */
  readonly read: (options: { readonly from: number; readonly filter?: string }) => Stream.Stream<ReadonlyArray<Stored>, LogUnavailable>
  /** What is there now, `from` up to `through` (both included), then the end. `on`: one server's own copy, of a cluster's. */
  readonly readRange: (options: { readonly from: number; readonly through: number; readonly filter?: string; readonly on?: string }) => Stream.Stream<ReadonlyArray<Stored>, LogUnavailable>
  /** Every subject of a pattern that holds something, and how many messages. */
  readonly subjects: (pattern: string) => Effect.Effect<ReadonlyMap<string, number>, LogUnavailable>
  readonly info: Effect.Effect<LogInfo, LogUnavailable>
  readonly setMetadata: (entries: Readonly<Record<string, string>>) => Effect.Effect<void, LogUnavailable>
  /** Remove a subject's messages below `before` (all of them without it). Sequences of others stay, and so do the bytes in the store's files. */
  readonly purge: (options: { readonly subject: string; readonly before?: number }) => Effect.Effect<number, LogUnavailable>
  /** Remove everything, its files too. Sequences go on. */
  readonly purgeAll: Effect.Effect<number, LogUnavailable>
}

/**
 * A named durable position in a stream: the ack floor of a JetStream consumer. Whatever lies behind it is pending.
 */
export interface Cursor {
  /** Sequence up to which everything is acknowledged (0: nothing). */
  readonly position: Effect.Effect<number, LogUnavailable>
  /** How many messages lie behind the position. */
  readonly pending: Effect.Effect<number, LogUnavailable>
  /** Read from position + 1 on, live. Opening it again starts at the position again, at once. One reader at a time. */
  readonly read: Stream.Stream<ReadonlyArray<Stored>, LogUnavailable>
  /** Acknowledge everything up to `seq`, which `read` has delivered. Written and synced when it returns. */
  readonly ack: (seq: number) => Effect.Effect<void, LogUnavailable>
  /** Set the position, forward or back. A running `read` must be opened again. */
  readonly moveTo: (seq: number) => Effect.Effect<void, LogUnavailable>
}
