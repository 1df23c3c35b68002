import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { TelemetryHours, TelemetryPage } from "../../answers.ts"
import { readingOfAll, where } from "../../backend.ts"
import { ask } from "../../call.ts"
import { cursorFlag, limitFlag } from "../../paging.ts"
import { answer } from "../../print.ts"
import { things } from "../../rows.ts"

const columns = ["timestamp", "tenant", "event_type", "source_backend", "latency_ms", "tokens_used", "cost_usd", "model"]
const hourColumns = ["hour", "tenant", "event_type", "model", "peer_id", "events", "latency_ms_mean", "latency_ms_max", "tokens_used", "cost_usd"]

/** `telemetry list`: events, or with `--hours` what they add up to. */
export const list = Command.make(
  "list",
  {
    ...where,
    type: Flag.String("type").pipe(Flag.withDescription("Only this event type"), Flag.optional),
    source: Flag.String("source").pipe(Flag.withDescription("Only this kind of backend (local, ios_local, …) or peer"), Flag.optional),
    since: Flag.String("since").pipe(Flag.withDescription("Only what happened then or later, as 2026-11-22T10:00:00Z"), Flag.optional),
    hours: Flag.Boolean("hours").pipe(Flag.withDescription("Roll-ups per hour, type, model and peer"), Flag.withDefault(false)),
    limit: limitFlag(50),
    cursor: cursorFlag
  },
  Effect.fn(function*(flags) {
    const backend = yield* readingOfAll(flags)
    const [type, source, since, cursor] = [flags.type, flags.source, flags.since, flags.cursor].map(Option.getOrUndefined)
    if (flags.hours) {
      const { raw, value } = yield* ask(backend, TelemetryHours, { method: "GET", path: "/telemetry/rollups", query: { type, peer: source, since, cursor, limit: flags.limit } })
      return yield* answer(raw, () => value.hours.length === 0 ? "no telemetry" : things(value.hours, hourColumns))
    }
    const { raw, value } = yield* ask(backend, TelemetryPage, { method: "GET", path: "/telemetry", query: { type, source, since, cursor, limit: flags.limit } })
    yield* answer(raw, () => value.events.length === 0 ? "no telemetry" : things(value.events, columns))
    if (value.next_cursor !== null) yield* Console.error(`more: --cursor ${value.next_cursor}`)
  })
).pipe(
  Command.withDescription("Telemetry events, or what they add up to"),
  Command.withExamples([
    { command: "maestra telemetry list --hours --type advisor_ask", description: "Hour by hour" },
    { command: "maestra telemetry list --on hosted", description: "Everybody's, for its operator" }
  ])
)
