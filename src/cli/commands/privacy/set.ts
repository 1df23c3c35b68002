import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { PrivacySettings } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { type CliFailure, misused } from "../../failure.ts"
import { answer } from "../../print.ts"
import { settingsTable } from "./show.ts"

/** `privacy set NAME VALUE …`: change settings on all of a person's devices. In force here when this returns. */
export const set = Command.make(
  "set",
  { words: Argument.String("setting").pipe(Argument.withDescription("NAME=VALUE, or NAME VALUE, as often as you like"), Argument.variadic({ min: 1 })) },
  Effect.fn(function*({ words }: { readonly words: ReadonlyArray<string> }) {
    const change = yield* changeOf(words)
    const { raw, value } = yield* ask(yield* find("local"), PrivacySettings, { method: "PUT", path: "/privacy-settings", body: change })
    yield* answer(raw, () => settingsTable(value))
  })
).pipe(
  Command.withDescription("Change what may leave, on all of your devices"),
  Command.withExamples([
    { command: "maestra privacy set retention_days=30 allowed_surfaces=web,cli", description: "Two at once" },
    { command: "maestra privacy set allowed_surfaces all", description: "Whatever surface something was typed on" },
    { command: "maestra privacy set keep_own_copies false", description: "What retention removes from hosted goes from the machine it was written on too" },
    { command: "maestra privacy set default_region DE", description: "030 1234567 is a telephone number; `none` forgets it" }
  ])
)

type Value = boolean | number | string | ReadonlyArray<string> | null

const truths: Readonly<Record<string, boolean>> = { true: true, on: true, yes: true, false: false, off: false, no: false }
const readTruth = (text: string): Value | undefined => truths[text.toLowerCase()]

/** How each setting is written on a command line; `undefined`: not like this. */
const readers: Readonly<Record<string, { readonly read: (text: string) => Value | undefined; readonly as: string }>> = {
  sync_enabled: { read: readTruth, as: "true or false" },
  sync_conversations: { read: readTruth, as: "true or false" },
  sync_telemetry: { read: readTruth, as: "true or false" },
  redact_pii: { read: readTruth, as: "true or false" },
  retention_days: { read: (text) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 36_500 ? Number(text) : undefined, as: "a number of days, 1 to 36500" },
  allowed_surfaces: { read: (text) => text === "all" ? null : text === "none" ? [] : text.split(",").map((name) => name.trim()).filter((name) => name !== ""), as: "all, none, or names with commas between them" },
  default_region: { read: (text) => text === "none" ? null : /^[A-Za-z]{2}$/.test(text) ? text.toUpperCase() : undefined, as: "two letters such as DE, or none" },
  keep_own_copies: { read: readTruth, as: "true or false" }
}

/** `a=1`, or `a 1`. */
const changeOf = Effect.fnUntraced(function*(words: ReadonlyArray<string>): Effect.fn.Return<Readonly<Record<string, Value>>, CliFailure> {
  const change: Record<string, Value> = {}
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const cut = word.indexOf("=")
    const name = (cut === -1 ? word : word.slice(0, cut)).replaceAll("-", "_")
    const text = cut === -1 ? words[++at] : word.slice(cut + 1)
    const reader = Object.hasOwn(readers, name) ? readers[name] : undefined
    if (reader === undefined) return yield* misused("no-such-setting", `there is no setting ${name}`, `The settings are ${Object.keys(readers).join(", ")}.`)
    const value = text === undefined ? undefined : reader.read(text)
    if (value === undefined) return yield* misused("setting-value", `${name} is ${reader.as}${text === undefined ? ", and there is none" : `, not ${text.slice(0, 40)}`}`, `For example \`maestra privacy set ${name} …\`; \`maestra privacy show\` shows it as it is.`)
    change[name] = value
  }
  return change
})
