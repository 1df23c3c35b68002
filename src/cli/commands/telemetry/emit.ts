import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Emitted } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { misused, refused } from "../../failure.ts"
import { textOrStdin } from "../../input.ts"
import { answer } from "../../print.ts"

const readMetadata = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))
const given = <A>(name: string, value: Option.Option<A>) => Option.match(value, { onNone: () => ({}), onSome: (some) => ({ [name]: some }) })

/** `telemetry emit TYPE [METADATA]`: one event, durable on this machine when the command ends. */
export const emit = Command.make(
  "emit",
  {
    type: Argument.String("type").pipe(Argument.withDescription("What happened: any text")),
    metadata: Argument.String("metadata").pipe(Argument.withDescription("A JSON object, or - to read it from stdin"), Argument.withDefault("{}")),
    id: Flag.String("id").pipe(Flag.withDescription("Id of the event, so that repeating the command counts once"), Flag.optional),
    session: Flag.String("session").pipe(Flag.withDescription("Id of the session it belongs to"), Flag.optional),
    latency: Flag.Finite("latency-ms").pipe(Flag.withDescription("How long it took"), Flag.optional),
    tokens: Flag.Finite("tokens").pipe(Flag.withDescription("Tokens used"), Flag.optional),
    cost: Flag.Finite("cost-usd").pipe(Flag.withDescription("What it cost, in US dollars"), Flag.optional),
    model: Flag.String("model").pipe(Flag.withDescription("The model that was used"), Flag.optional)
  },
  Effect.fn(function*(flags) {
    const metadata = yield* readMetadata(yield* textOrStdin(flags.metadata)).pipe(
      Effect.mapError(() => misused("metadata", "the metadata is not a JSON object", `Quote it for the shell: '{"surface": "cli"}'.`)))
    const { raw, value } = yield* ask(yield* find("local"), Emitted, {
      method: "POST",
      path: "/telemetry",
      body: {
        event_type: flags.type,
        metadata,
        ...given("event_id", flags.id), ...given("session_id", flags.session), ...given("latency_ms", flags.latency),
        ...given("tokens_used", flags.tokens), ...given("cost_usd", flags.cost), ...given("model", flags.model)
      }
    })
    const [result] = value.results
    if (result?.status !== "acked") return yield* refused("telemetry-rejected", `the event was not taken: ${result?.error ?? "no answer"}`, "Nothing was stored.")
    yield* answer(raw, () => `emitted ${flags.type} as ${result.event_id}`)
  })
).pipe(
  Command.withDescription("Emit one telemetry event"),
  Command.withExamples([{ command: `maestra telemetry emit advisor_ask '{"surface": "cli"}' --latency-ms 840 --tokens 1200 --model small-1`, description: "With figures" }])
)
