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
    const ways = [...conflict.losing.slice(0, 1).map((loser) => wayOf(conflict, loser, `bring it back: ${maestra}`)), wayOf(conflict, conflict.shown, `keep what is shown: ${maestra}`)]
    return `${place}\n${rows}\n${ways.join("\n")}`
  })
  return blocks.join("\n\n") + (next_cursor === null ? "" : `\n\nmore: ${maestra} conflicts --cursor ${next_cursor}`)
}

/** How that write is made the one that stays, behind `words`. A deletion is no text to bring back: it is made again. */
const wayOf = ({ conversation_id, message_id }: typeof Conflicts.Type["conflicts"][number], { content, event_id }: { readonly content?: string | null; readonly event_id: string }, words: string): string => {
  const message = `${shellWord(conversation_id)} ${shellWord(message_id)}`
  return content == null ? `  ${words} delete ${message}` : `  ${words} restore ${message} ${event_id}`
}
