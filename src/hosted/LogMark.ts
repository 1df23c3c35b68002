import { Effect, Option, Result, Schema } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { EventLog } from "../nats/EventLog.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** Which log this deployment keeps, and how far it is known to have gone. Kept outside the stream store. */
const Mark = Schema.Struct({ log_id: Schema.String, log_epoch: Schema.Int, high_water: Schema.Int })
export type Mark = typeof Mark.Type

/** The mark's file cannot be read or written, so a restored log could not be told from the real one. Nothing was served. */
export class MarkUnusable extends Schema.TaggedError<MarkUnusable>()("MarkUnusable", { file: Schema.String, hint: Schema.String }) {}

const MarkJson = Schema.fromJsonString(Mark)
/** `log.json`, or one for each partition. */
const fileOf = (dataDir: string, log: EventLog) => join(dataDir, `${log.name.toLowerCase()}.json`)

/** What is written where the stream's own description carries it, so that joined processes and tools can read it. */
const idKey = "maestra-log-id"
const epochKey = "maestra-log-epoch"

/**
 * Which epoch the log is in, from what the mark remembers and what the stream now holds.
 *
 * A last sequence below the high-water mark means the store was lost, or restored from an older copy:
 * peers must compare chains and send again what is missing. Raising the epoch tells them.
 */
export const judge = (
  held: Mark | undefined,
  stream: { readonly lastSeq: number; readonly id: string | undefined; readonly epoch: number | undefined },
  newId: () => string
): Mark => {
  if (held === undefined) {
    return { log_id: stream.id ?? newId(), log_epoch: stream.epoch ?? 1, high_water: stream.lastSeq }
  }
  return stream.lastSeq < held.high_water
    ? { log_id: held.log_id, log_epoch: Math.max(held.log_epoch, stream.epoch ?? 0) + 1, high_water: stream.lastSeq }
    : { ...held, log_epoch: Math.max(held.log_epoch, stream.epoch ?? 0), high_water: stream.lastSeq }
}

/** What was kept of it here; none before the first start. */
export const keptMark = Effect.fnUntraced(function*(dataDir: string, log: EventLog) {
  const file = fileOf(dataDir, log)
  const text = yield* Effect.promise(() => readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => cause.code === "ENOENT" ? undefined : cause))
  if (text instanceof Error) return yield* new MarkUnusable({ file, hint: `${file} cannot be read: ${text.message}` })
  if (text === undefined) return Option.none<Mark>()
  const read = Schema.decodeResult(MarkJson)(text)
  if (Result.isFailure(read)) return yield* new MarkUnusable({ file, hint: `${file} is damaged. Put a copy back; deleting it gives up noticing that the log's store was restored.` })
  return Option.some(read.success)
})

export const openMark = Effect.fn("LogMark.open")(function*(dataDir: string, log: EventLog, newId: () => string) {
  const held = yield* keptMark(dataDir, log)
  const info = yield* log.info
  const epoch = Number(info.metadata[epochKey])
  const mark = judge(Option.getOrUndefined(held), {
    lastSeq: info.lastSeq,
    id: info.metadata[idKey],
    epoch: Number.isSafeInteger(epoch) && epoch > 0 ? epoch : undefined
  }, newId)
  yield* save(dataDir, log, mark)
  if (info.metadata[idKey] !== mark.log_id || epoch !== mark.log_epoch) {
    yield* log.setMetadata({ [idKey]: mark.log_id, [epochKey]: String(mark.log_epoch) })
  }
  return mark
})

/** A lost mark of the last second is harmless: a log that grew meanwhile is above it. */
export const save = (dataDir: string, log: EventLog, mark: Mark): Effect.Effect<void, MarkUnusable> =>
  Effect.tryPromise({
    try: () => replaceFile(fileOf(dataDir, log), `${JSON.stringify(mark)}\n`),
    catch: (cause) => new MarkUnusable({ file: fileOf(dataDir, log), hint: cause instanceof Error ? cause.message : "cannot be written" })
  })

/** The log has no name yet: the process that owns it has not started. Nothing was changed; ask again. */
export class Unnamed extends Schema.TaggedError<Unnamed>()("Unnamed", { log: Schema.String }) {}

/** A joined process reads the log's identity where its owner wrote it. */
export const joinedMark = Effect.fnUntraced(function*(log: EventLog) {
  const { lastSeq, metadata } = yield* log.info
  const id = metadata[idKey]
  if (id === undefined) return yield* new Unnamed({ log: log.name })
  return { log_id: id, log_epoch: Number(metadata[epochKey] ?? 1), high_water: lastSeq } satisfies Mark
})
