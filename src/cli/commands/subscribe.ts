import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type Where, reading, where } from "../backend.ts"
import { note } from "../print.ts"
import { openPlace } from "../subscriptions.ts"
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
    ),
    durable: Flag.String("durable").pipe(
      Flag.withDescription("Remember under this name, in the data directory, how far the lines went out; the next run goes on there"),
      Flag.filter((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name), () => "Expected 1 to 64 letters, digits, - or _"),
      Flag.optional
    )
  },
  Effect.fn(function*(flags: Where & { readonly subject: Option.Option<string>; readonly from: string; readonly durable: Option.Option<string> }) {
    const place = yield* Effect.transposeOption(Option.map(flags.durable, (name) => openPlace(flags.on, name)))
    yield* tail({
      backend: reading(flags),
      from: Option.getOrElse(Option.flatMap(place, ({ from }) => from), () => flags.from),
      subject: Option.getOrUndefined(flags.subject),
      onLost: (failure) => note(`maestra: ${failure.sentence}; trying again`)
    }).pipe(
      Stream.runForEachArray((told) =>
        Effect.forEach(told, ({ data }) => Console.log(data), { discard: true }).pipe(
          Effect.andThen(Option.match(place, { onNone: () => Effect.void, onSome: ({ keep }) => keep(told.at(-1)!.cursor) })))))
  })
).pipe(
  Command.withDescription("Events as JSON lines as they happen; comes back by itself after a disconnect"),
  Command.withExamples([{ command: "maestra subscribe --from start", description: "Everything from the first event on, then what follows" }, { command: "maestra subscribe --durable warehouse --from start | load", description: "A line may come again after a kill; none is missed" }])
)
