import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import { join } from "node:path"
import { type CliFailure, failed } from "./failure.ts"
import { prepareFolder, writeWhole } from "./serving/folder.ts"
import { type Side, sideDir } from "./settings.ts"

/** Where a named reader of the event stream is: kept beside the backend it reads, one line in a file. */
export interface Place {
  /** Right behind what went out last; none, the first time. */
  readonly from: Option.Option<string>
  /** What lies before `cursor` went out. Kept after it did: a killed reader sees some lines again, and misses none. */
  readonly keep: (cursor: string) => Effect.Effect<void, CliFailure, FileSystem.FileSystem>
}

/** The place of `name`. A file that holds no cursor is refused, rather than beginning anew in silence. */
export const openPlace = Effect.fnUntraced(function*(side: Side, name: string) {
  const fs = yield* FileSystem.FileSystem
  const dir = join(yield* sideDir(side), "subscriptions")
  yield* prepareFolder(dir)
  const file = join(dir, name)
  const text = yield* fs.readFileString(file).pipe(Effect.option)
  const from = Option.map(text, (held) => held.trim())
  if (Option.isSome(from) && !/^\d{1,16}(\.\d{1,16})?$/.test(from.value)) {
    return yield* failed("place-damaged", `${file} does not say how far ${name} has read`, "Remove it to begin where --from says.")
  }
  const place: Place = { from, keep: (cursor) => writeWhole(file, `${cursor}\n`) }
  return place
})
