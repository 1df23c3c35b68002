import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Where, reading, where } from "../backend.ts"
import { note } from "../print.ts"
import { tail } from "../tailing.ts"

/** `subscribe`: the event stream as JSON lines, without end. */
export const subscribe = Command.make(
  "subscribe",
  {
    ...where,
    subject: Flag.String("subject").pipe(Flag.withDescription("Only events about this conversation (or peer, or `settings`)"), Flag.optional),
    from: Flag.String("from").pipe(
      Flag.withDescription("start, now, a sequence (as in --json output of earlier runs) or a time like 2026-11-22T10:00:00Z"),
      Flag.withDefault("now")
    )
  },
  Effect.fn(function*(flags: Where & { readonly subject: Option.Option<string>; readonly from: string }) {
    yield* tail({
      backend: reading(flags),
      from: flags.from,
      subject: Option.getOrUndefined(flags.subject),
      onLost: (failure) => note(`maestra: ${failure.sentence}; trying again`)
    }).pipe(Stream.runForEach(({ data }) => Console.log(data)))
  })
).pipe(
  Command.withDescription("Events as JSON lines as they happen; comes back by itself after a disconnect"),
  Command.withExamples([{ command: "maestra subscribe --from start", description: "Everything from the first event on, then what follows" }])
)
