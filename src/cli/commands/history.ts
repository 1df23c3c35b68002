import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { History, type Write } from "../answers.ts"
import { reading, where } from "../backend.ts"
import { ask, segment } from "../call.ts"
import { commandPrefix } from "../prefix.ts"
import { answer } from "../print.ts"
import { onlyHere, oneLine, shellWord, table, time } from "../text.ts"

/** `history CONV MSG`: every write to one message, newest first. */
export const history = Command.make(
  "history",
  { ...where, conversation: Argument.String("conversation"), message: Argument.String("message") },
  Effect.fn(function*(flags) {
    const path = `/conversations/${yield* segment(flags.conversation)}/messages/${yield* segment(flags.message)}/history`
    const { raw, value } = yield* ask(yield* reading(flags), History, { method: "GET", path })
    const maestra = yield* commandPrefix
    yield* answer(raw, () =>
      value.writes.length === 0
        ? "nothing was ever written to this message"
        : `${table(value.writes.map((write) => [write.current === true ? "shown" : "", ...writeCells(write)]))}\nbring one back: ${maestra} restore ${shellWord(flags.conversation)} ${shellWord(flags.message)} EVENT`)
  })
).pipe(Command.withDescription("Everything a message ever said, newest first"))

/** One write as the cells of a table: event, time, kind, who, text. */
export const writeCells = (write: Write): ReadonlyArray<string> => [
  write.event_id,
  time(write.stamp.time),
  write.type.replace("message.", ""),
  [write.source_backend, write.surface, write.withheld == null ? undefined : onlyHere(write.withheld)].filter((part) => part !== undefined && part !== null).join("/"),
  write.type === "message.deleted" ? "—" : oneLine(write.content ?? "", 70)
]
