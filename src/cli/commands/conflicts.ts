import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Conflicts } from "../answers.ts"
import { reading, where } from "../backend.ts"
import { ask } from "../call.ts"
import { cursorFlag, limitFlag } from "../paging.ts"
import { commandPrefix } from "../prefix.ts"
import { answer } from "../print.ts"
import { plain, shellWord, table } from "../text.ts"
import { writeCells } from "./history.ts"

/** `conflicts`: two devices wrote without seeing each other; one is shown, none is lost. */
export const conflicts = Command.make(
  "conflicts",
  {
    ...where,
    limit: limitFlag(50),
    cursor: cursorFlag
  },
  Effect.fn(function*(flags) {
    const { raw, value } = yield* ask(yield* reading(flags), Conflicts, {
      method: "GET",
      path: "/conflicts",
      query: { limit: flags.limit, cursor: Option.getOrUndefined(flags.cursor) }
    })
    const maestra = yield* commandPrefix
    yield* answer(raw, () => page(value, maestra))
  })
).pipe(Command.withDescription("Messages that two devices changed without seeing each other"))

const page = ({ conflicts, next_cursor }: typeof Conflicts.Type, maestra: string): string => {
  if (conflicts.length === 0) return "no conflicts"
  const blocks = conflicts.map((conflict) => {
    const place = `${plain(conflict.conversation_id)} ${plain(conflict.message_id)}`
    const rows = table([["  shown", ...writeCells(conflict.shown)], ...conflict.losing.map((write) => ["  lost ", ...writeCells(write)])])
    const loser = conflict.losing[0]
    return `${place}\n${rows}${loser === undefined ? "" : `\n  bring it back: ${maestra} restore ${shellWord(conflict.conversation_id)} ${shellWord(conflict.message_id)} ${loser.event_id}`}`
  })
  return blocks.join("\n\n") + (next_cursor === null ? "" : `\n\nmore: ${maestra} conflicts --cursor ${next_cursor}`)
}
