import { Effect, Schema } from "effect"
import { join } from "node:path"
import { v7 as uuidV7 } from "uuid"
import type { EventLog } from "../nats/EventLog.ts"
import { readIfThere } from "../security/readIfThere.ts"
import { replaceFile } from "../security/replaceFile.ts"

/** Where the stream's own description says which journal it is: made with the stream, so a restored stream says so. */
const journalKey = "maestra-journal"

/** The list of journals cannot be read or written: a copied data directory could not be told from the real one. Nothing was sent. */
export class JournalsUnreadable extends Schema.TaggedError<JournalsUnreadable>()("JournalsUnreadable", { file: Schema.String, hint: Schema.String }) {}

export interface Journals {
  readonly current: () => string
  readonly all: () => ReadonlySet<string>
  /** A new journal was opened since this process started. */
  readonly openedHere: () => boolean
  readonly open: (id: string) => Effect.Effect<void>
  /** A person has to decide, and may let this process go on: it may open a new journal once more. */
  readonly forgive: () => void
}

const List = Schema.fromJsonString(Schema.Array(Schema.String))

/** The list, where it is kept. */
export interface JournalsStore {
  readonly load: Effect.Effect<ReadonlyArray<string>, JournalsUnreadable>
  readonly save: (ids: ReadonlyArray<string>) => Effect.Effect<void, JournalsUnreadable>
}

/** In `journals.json` of the data directory. */
export const journalsFile = (dataDir: string): JournalsStore => {
  const file = join(dataDir, "journals.json")
  const unreadable = () => new JournalsUnreadable({ file, hint: `${file} is damaged or cannot be written. Put a copy back, or remove it.` })
  return {
    load: Effect.tryPromise({
      try: async () => (await readIfThere(file)) ?? "[]",
      catch: unreadable
    }).pipe(Effect.flatMap((text) => Effect.mapError(Effect.fromResult(Schema.decodeResult(List)(text)), unreadable))),
    save: (ids) => Effect.tryPromise({ try: () => replaceFile(file, `${JSON.stringify(ids)}\n`), catch: unreadable })
  }
}

/** The journals this data directory ever wrote: kept beside the stream, because a restored stream forgets the newer ones. */
export const openJournals = Effect.fn("openJournals")(function*(log: EventLog, store: JournalsStore) {
  const all = new Set(yield* store.load)
  const keep = Effect.suspend(() => store.save([...all]))
  const { metadata } = yield* log.info
  let current = metadata[journalKey] ?? ""
  let openedHere = false
  if (current === "") {
    current = uuidV7()
    yield* log.setMetadata({ [journalKey]: current })
  }
  if (!all.has(current)) {
    all.add(current)
    yield* keep
  }
  return {
    current: () => current,
    all: () => all,
    openedHere: () => openedHere,
    open: (id) =>
      Effect.gen(function*() {
        all.add(id)
        // known before it is used, so that a crash in between does not make us a stranger to ourselves
        yield* keep
        yield* log.setMetadata({ [journalKey]: id })
        current = id
        openedHere = true
      }).pipe(Effect.orDie),
    forgive: () => { openedHere = false }
  } satisfies Journals
})
