import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { isoTime } from "../../../../streams/time.ts"
import { reading, type Where, where } from "../../backend.ts"
import { send } from "../../call.ts"
import { answer } from "../../print.ts"
import { progressBar } from "../../progress.ts"
import { size } from "../../../../streams/size.ts"
import { writeOut } from "../../writeOut.ts"

/** `privacy export`: everything a backend holds about a person, as one archive. */
export const exportAll = Command.make(
  "export",
  { ...where, out: Flag.String("out").pipe(Flag.withDescription("Write here, gz when the name ends in gz (default: maestra-export-DATE.tar.gz)"), Flag.optional) },
  Effect.fn(function*(flags: Where & { readonly out: Option.Option<string> }) {
    const out = Option.getOrElse(flags.out, () => "")
    const file = out === "" ? `maestra-export-${isoTime(yield* Clock.currentTimeMillis).slice(0, "2026-11-22".length)}.tar.gz` : out
    const response = yield* send(yield* reading(flags), { method: "POST", path: "/privacy/export" })
    const bar = yield* progressBar("exporting")
    const of = Number(response.headers.get("maestra-lines") ?? 0)
    const context = yield* Effect.context<never>()
    const { bytes } = yield* writeOut(response, file, ({ lines }) => Effect.runSyncWith(context)(bar.show({ at: lines, of, done: lines, unit: "lines" }))).pipe(Effect.ensuring(bar.clear))
    yield* answer({ bytes, out: file }, () => `exported everything (${size(bytes)}) to ${file}; README.md in it says what is what`)
  })
).pipe(
  Command.withDescription("Export everything a backend holds about you: conversations, history, settings, devices, telemetry"),
  Command.withExamples([{ command: "maestra privacy export --out everything.tar.gz", description: "Readable by you alone; `maestra import` takes it back" }])
)
