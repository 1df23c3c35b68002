import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Conversations } from "../answers.ts"
import { reading, where } from "../backend.ts"
import { ask } from "../call.ts"
import { cursorFlag, limitFlag } from "../paging.ts"
import { commandPrefix } from "../prefix.ts"
import { answer } from "../print.ts"
import { count, oneLine, plain, table, time } from "../text.ts"

/** `list`: the conversations, one page. */
export const list = Command.make(
  "list",
  {
    ...where,
    limit: limitFlag(50),
    cursor: cursorFlag
  },
  Effect.fn(function*(flags) {
    const backend = yield* reading(flags)
    const { raw, value } = yield* ask(backend, Conversations, {
      method: "GET",
      path: "/conversations",
      query: { limit: flags.limit, cursor: Option.getOrUndefined(flags.cursor) }
    })
    const maestra = yield* commandPrefix
    yield* answer(raw, () => page(value, maestra))
  })
).pipe(
  Command.withDescription("The conversations"),
  Command.withExamples([{ command: "maestra list --json", description: "{conversations, next_cursor}" }])
)

const page = ({ conversations, next_cursor }: typeof Conversations.Type, maestra: string): string => {
  if (conversations.length === 0) return `no conversations here yet; this starts one:  ${maestra} send groceries "buy milk"`
  const rows = conversations.map((each) => [
    plain(each.conversation_id),
    `${count(each.message_count)} msg`,
    time(each.last_modified ?? ""),
    each.source_backend ?? "",
    oneLine(each.title ?? "", 60)
  ])
  return table(rows) + (next_cursor === null ? "" : `\nmore: ${maestra} list --cursor ${next_cursor}`)
}
