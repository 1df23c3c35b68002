import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { type Where, reading, where } from "../backend.ts"
import { send } from "../call.ts"
import { answer } from "../print.ts"
import { size } from "../../../streams/size.ts"
import { plural } from "../text.ts"
import { writeOut } from "../writeOut.ts"

/** `export [--out FILE]`: everything in the import format. */
export const exportCommand = Command.make(
  "export",
  {
    ...where,
    out: Flag.String("out").pipe(Flag.withDescription("Write here instead of stdout; gz when the name ends in .gz"), Flag.optional)
  },
  Effect.fn(function*(flags: Where & { readonly out: Option.Option<string> }) {
    const backend = yield* reading(flags)
    const response = yield* send(backend, { method: "GET", path: "/export" })
    const out = Option.getOrUndefined(flags.out)
    const counted = yield* writeOut(response, out)
    if (out !== undefined) {
      const { bytes, lines: conversations } = counted
      yield* answer({ conversations, bytes, out }, () => `exported ${plural(conversations, "conversation")} (${size(bytes)}) to ${out}`)
    }
  })
).pipe(
  Command.withDescription("Export all conversations as JSON lines, in the format `import` reads"),
  Command.withExamples([{ command: "maestra export --out conversations.jsonl.gz", description: "Readable by you alone (mode 0600)" }])
)
