import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { runDemo } from "../demo/runDemo.ts"

/** `demo`: a hosted backend and two paired devices on this machine. */
export const demo = Command.make(
  "demo",
  {
    once: Flag.Boolean("once").pipe(Flag.withDescription("End when all three agree, and print what they hold"), Flag.withDefault(false)),
    import: Flag.String("import").pipe(Flag.withDescription("Import this file on the laptop first (JSON lines, gz too)"), Flag.optional),
    timeout: Flag.Int("timeout").pipe(
      Flag.filter((seconds) => seconds > 0, (seconds) => `Expected seconds, got ${seconds}`),
      Flag.withDescription("Give up when nothing has moved for so many seconds (default 60)"),
      Flag.withDefault(60)
    )
  },
  Effect.fn(function*(flags) {
    yield* runDemo({ once: flags.once, file: Option.getOrUndefined(flags.import), stillMillis: flags.timeout * 1000 })
  })
).pipe(
  Command.withDescription("Hosted and two paired devices on this machine, in ./.maestra-demo"),
  Command.withExamples([
    { command: "maestra demo", description: "Look around; Ctrl-C stops all three" },
    { command: "maestra demo --once --import conversations.jsonl.gz --json", description: "{equal, seconds, backends: [{name, backend_id, conversations, messages, digest}]}" }
  ])
)
