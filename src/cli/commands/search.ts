import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Hits } from "../answers.ts"
import { reading, where } from "../backend.ts"
import { ask } from "../call.ts"
import { cursorFlag, limitFlag } from "../paging.ts"
import { commandPrefix } from "../prefix.ts"
import { answer } from "../print.ts"
import { oneLine, plain, shellWord, table, time } from "../text.ts"

/** `search`: which messages and titles say it, one page. */
export const search = Command.make(
  "search",
  {
    ...where,
    words: Argument.String("word").pipe(Argument.withDescription("Words, or beginnings of words"), Argument.variadic({ min: 1 })),
    limit: limitFlag(20),
    cursor: cursorFlag
  },
  Effect.fn(function*(flags) {
    const backend = yield* reading(flags)
    const words = flags.words.join(" ")
    const { raw, value } = yield* ask(backend, Hits, { method: "GET", path: "/search", query: { q: words, limit: flags.limit, cursor: Option.getOrUndefined(flags.cursor) } })
    const maestra = yield* commandPrefix
    yield* answer(raw, () => page(value, flags.words, maestra))
  })
).pipe(
  Command.withDescription("What messages and titles say: those that hold every word"),
  Command.withExamples([{ command: "maestra search crème brul", description: "finds Creme brulee too" }, { command: "maestra search milk --json", description: "{hits, next_cursor, behind}" }])
)

const page = ({ behind, hits, next_cursor }: typeof Hits.Type, words: ReadonlyArray<string>, maestra: string): string => {
  const rows = hits.map((hit) => [plain(hit.conversation_id), hit.message_id == null ? "title" : plain(hit.message_id), time(hit.timestamp ?? ""), hit.role ?? "", oneLine(hit.excerpt, 80)])
  return [
    hits.length === 0 ? "no message and no title has all these words" : table(rows),
    ...(behind ? ["not everything is searched yet: ask again in a minute"] : []),
    ...(next_cursor === null ? [] : [`more: ${maestra} search ${words.map(shellWord).join(" ")} --cursor ${next_cursor}`])
  ].join("\n")
}
