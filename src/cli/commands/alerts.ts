import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { alertKinds } from "../../../streams/alertRules.ts"
import { sentences } from "../../../streams/sentences.ts"
import { ListedAlerts, Row } from "../answers.ts"
import { find } from "../backend.ts"
import { ask } from "../call.ts"
import { misused } from "../failure.ts"
import { answer } from "../print.ts"
import { things } from "../rows.ts"

const columns = ["status", "kind", "subject", "raised_at", "resolved_at", "silenced_until"]

const flags = {
  on: Flag.Literals("on", ["local", "hosted"]).pipe(Flag.withDescription("Which backend on this machine to ask"), Flag.withDefault("local")),
  silence: Flag.Int("silence").pipe(Flag.withDescription("Tell nobody for so many minutes; 0 ends it"), Flag.optional),
  kind: Flag.Literals("kind", alertKinds).pipe(Flag.withDescription("With --silence: of this kind only"), Flag.optional),
  subject: Flag.String("subject").pipe(Flag.withDescription("With --silence: of this peer only, or of `hosted` or `local` itself"), Flag.optional)
}

/** `alerts`: what is wrong now, what was lately, and what to do about it. */
export const alerts = Command.make(
  "alerts",
  flags,
  Effect.fn(function*({ kind, on, silence, subject }) {
    const backend = yield* find(on)
    if (Option.isSome(silence)) {
      const body = { minutes: silence.value, kind: Option.getOrNull(kind), subject: Option.getOrNull(subject) }
      const { raw, value } = yield* ask(backend, Row, { method: "POST", path: "/alerts/silence", body })
      return yield* answer(raw, () => silence.value === 0 ? "the silence is over" : `nobody is told until ${String(value["until"])}`)
    }
    if (Option.isSome(kind) || Option.isSome(subject)) return yield* misused("silence-missing", "--kind and --subject say what a silence is about", "Add --silence MINUTES.")
    const { raw, value } = yield* ask(backend, ListedAlerts, { method: "GET", path: "/alerts" })
    yield* answer(raw, () => value.alerts.length === 0
      ? "nothing is wrong"
      : [things(value.alerts, columns), ...value.alerts.flatMap(({ status, summary, todo }) => status === "firing" ? [sentences(summary, todo)] : [])].join("\n\n"))
  })
).pipe(
  Command.withDescription("What is wrong now, what was lately, and what to do about it"),
  Command.withExamples([
    { command: "maestra alerts --on hosted", description: "Of all peers, firing ones first" },
    { command: "maestra alerts --silence 60 --kind disk_low", description: "An hour in which nobody is told of it" }
  ])
)
