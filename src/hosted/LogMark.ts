import { Effect, Option, Schema } from "effect"
import { join } from "node:path"
import type { EventLog } from "../nats/EventLog.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** Which log this deployment keeps, and how far it is known to have gone. Kept outside the stream store. */
const Mark = Schema.Struct({
  log_id: Schema.String,
  log_epoch: Schema.Int,
  high_water: Schema.Int,
  /** Digest of the places in the log where something is wrong and has led to a new epoch: the same again leads to none. */
  damage: Schema.optionalKey(Schema.String),
  /** The epoch in which what this side wrote itself was found in the log, or written again. */
  own_complete_in: Schema.optionalKey(Schema.Int)
})
export type Mark = typeof Mark.Type

/** The mark's file cannot be read or written, so a restored log could not be told from the real one. Nothing was served. */
export class MarkUnusable extends Schema.TaggedError<MarkUnusable>()("MarkUnusable", { file: Schema.String, hint: Schema.String }) {}

const MarkJson = Schema.fromJsonString(Mark)

/** The mark, where it is kept. */
export interface MarkStore {
  readonly load: Effect.Effect<Option.Option<Mark>, MarkUnusable>
  /** A lost mark of the last second is harmless: a log that grew meanwhile is above it. */
  readonly save: (mark: Mark) => Effect.Effect<void, MarkUnusable>
}

/** In `log.json` of the data directory, or one file for each partition. */
export const markFile = (dataDir: string, log: Pick<EventLog, "name">): MarkStore => {
  const file = join(dataDir, `${log.name.toLowerCase()}.json`)
  const unusable = (hint: string) => new MarkUnusable({ file, hint })
  return {
    load: Effect.tryPromise({
      try: () => readIfThere(file),
      catch: (cause) => unusable(`${file} cannot be read: ${cause instanceof Error ? cause.message : "unknown reason"}`)
    }).pipe(Effect.flatMap((text) =>
      text === undefined
        ? Effect.succeedNone
        : Effect.mapError(Effect.asSome(Effect.fromResult(Schema.decodeResult(MarkJson)(text))), () =>
          unusable(`${file} is damaged. Put a copy back; deleting it gives up noticing that the log's store was restored.`)))),
    save: (mark) =>
      Effect.tryPromise({
        try: () => replaceFile(file, `${JSON.stringify(mark)}\n`),
        catch: (cause) => unusable(cause instanceof Error ? cause.message : "cannot be written")
      })
  }
}

/** What is written where the stream's own description carries it, so that joined processes and tools can read it. */
const idKey = "maestra-log-id"
const epochKey = "maestra-log-epoch"
const ownKey = "maestra-own-complete-in"
const damageKey = "maestra-damage"

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
    ? { ...held, log_epoch: Math.max(held.log_epoch, stream.epoch ?? 0) + 1, high_water: stream.lastSeq }
    : { ...held, log_epoch: Math.max(held.log_epoch, stream.epoch ?? 0), high_water: stream.lastSeq }
}

/** The epoch a stream's description names. */
export const epochOf = (metadata: Readonly<Record<string, string>>): number | undefined => {
  const epoch = Number(metadata[epochKey])
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : undefined
}

/** The log a stream's description names. */
export const idOf = (metadata: Readonly<Record<string, string>>): string | undefined => metadata[idKey]

/** What a stream's description says of its log. */
export const metadataOf = (mark: Pick<Mark, "log_id" | "log_epoch" | "own_complete_in" | "damage">): Readonly<Record<string, string>> => ({
  [idKey]: mark.log_id,
  [epochKey]: String(mark.log_epoch),
  ...(mark.damage === undefined ? {} : { [damageKey]: mark.damage }),
  ...(mark.own_complete_in === undefined ? {} : { [ownKey]: String(mark.own_complete_in) })
})

export const openMark = Effect.fn("LogMark.open")(function*(store: MarkStore, log: EventLog, newId: () => string) {
  const held = yield* store.load
  const info = yield* log.info
  const epoch = epochOf(info.metadata)
  const mark = judge(Option.getOrUndefined(held), { lastSeq: info.lastSeq, id: info.metadata[idKey], epoch }, newId)
  yield* store.save(mark)
  if (info.metadata[idKey] !== mark.log_id || epoch !== mark.log_epoch) {
    yield* log.setMetadata(metadataOf(mark))
  }
  return mark
})

/** The mark of a log that lost something it had committed: peers compare their chains with it, and send what it lacks. */
export const nextEpoch = (held: Mark, found: { readonly lastSeq: number; readonly damage: string }): Mark => ({ ...held, log_epoch: held.log_epoch + 1, high_water: found.lastSeq, damage: found.damage })

/** The log has no name yet: the process that owns it has not started. Nothing was changed; ask again. */
export class Unnamed extends Schema.TaggedError<Unnamed>()("Unnamed", { log: Schema.String }) {}

/** A joined process reads the log's identity where its owner wrote it. */
export const joinedMark = Effect.fnUntraced(function*(log: EventLog) {
  const { lastSeq, metadata } = yield* log.info
  const id = metadata[idKey]
  if (id === undefined) return yield* new Unnamed({ log: log.name })
  const [own, damage] = [metadata[ownKey], metadata[damageKey]]
  const mark: Mark = { log_id: id, log_epoch: Number(metadata[epochKey] ?? 1), high_water: lastSeq, ...(own === undefined ? {} : { own_complete_in: Number(own) }), ...(damage === undefined ? {} : { damage }) }
  return mark
})
