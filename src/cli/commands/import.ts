import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { type Where, where, writing } from "../backend.ts"
import { failed } from "../failure.ts"
import { importFile, type ImportResult } from "../importing/importFile.ts"
import { answer, note } from "../print.ts"
import { count, duration, oneLine, plural } from "../text.ts"

/** More bad lines than this are counted, not listed; `--json` lists all. */
const invalidShownMax = 20

/** `import FILE`: JSON lines, one conversation each. Again adds nothing. */
export const importCommand = Command.make(
  "import",
  {
    ...where,
    file: Argument.String("file").pipe(Argument.withDescription("JSON lines, gz or not; - for stdin"))
  },
  Effect.fn(function*(flags: Where & { readonly file: string }) {
    const backend = yield* writing(flags)
    const result = yield* importFile(backend, flags.file)
    yield* answer(result, () => sentence(result))
    yield* complain(result)
  })
).pipe(
  Command.withDescription("Import conversations: {conversation_id, title?, messages: [{id?, role, content, timestamp?, surface?}]} a line"),
  Command.withExamples([{ command: "maestra import conversations.jsonl.gz", description: "Running it again adds nothing" }])
)

export const sentence = (result: ImportResult): string =>
  `imported ${plural(result.conversations, "conversation")}, ${plural(result.messages, "message")} (${count(result.unchanged)} unchanged) in ${duration(result.seconds * 1000)}`

/** Bad lines, by number; the good ones are in. */
export const complain = Effect.fnUntraced(function*({ invalid }: ImportResult) {
  if (invalid.length === 0) return
  for (const { line, why } of invalid.slice(0, invalidShownMax)) yield* note(`line ${count(line)}: ${oneLine(why, 200)}`)
  if (invalid.length > invalidShownMax) yield* note(`… and ${plural(invalid.length - invalidShownMax, "more line")}`)
  return yield* failed(
    "invalid-lines",
    `${plural(invalid.length, "line was", "lines were")} not imported, all others are in`,
    "Mend the lines and import the file again: what is there is not imported twice."
  )
})
