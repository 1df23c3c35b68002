import * as Argument from "effect/cli/Argument"
import * as Clock from "effect/Clock"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Previewed } from "../../../gateway/privacy/preview.ts"
import { defaults, type Settings } from "../../../../streams/events/settings.ts"
import { isoTime } from "../../../../streams/time.ts"
import { PrivacySettings } from "../../answers.ts"
import { find } from "../../backend.ts"
import { ask } from "../../call.ts"
import { failed } from "../../failure.ts"
import { unreadable } from "../../importing/importFile.ts"
import { openLines } from "../../importing/lines.ts"
import { note } from "../../print.ts"
import { Json } from "../../settings.ts"
import { count, oneLine, plural } from "../../text.ts"

const newline = new Uint8Array([10])

/** `privacy preview FILE`: the file as it would leave. Nothing is imported, and nothing is sent anywhere. */
export const preview = Command.make(
  "preview",
  { file: Argument.String("file").pipe(Argument.withDescription("JSON lines as for `import`, gz or not; - for stdin")) },
  Effect.fn(function*({ file }: { readonly file: string }) {
    const { readImport } = yield* Effect.promise(() => import("../../../gateway/import/lines.ts"))
    const { makeAlias } = yield* Effect.promise(() => import("../../../gateway/privacy/alias.ts"))
    const { preview: previewOf } = yield* Effect.promise(() => import("../../../gateway/privacy/preview.ts"))
    const json = yield* Json
    const settings = yield* settingsHere
    const context = { settings, shareId: makeAlias() }
    const now = isoTime(yield* Clock.currentTimeMillis)
    const source = yield* Effect.tryPromise({ try: () => openLines(file, process.stdin), catch: (error) => unreadable(file, error) })
    const totals = { conversations: 0, messages: 0, changed: 0, withheld: 0, hidden: new Map<string, number>() }
    let line = 0
    let invalid = 0
    const take = Effect.fnUntraced(function*(lines: ReadonlyArray<Uint8Array>) {
      const read = readImport(Buffer.concat(lines.flatMap((bytes) => [bytes, newline])), now)
      for (const { line: at, why } of read.invalid) yield* note(`line ${count(line + at)}: ${oneLine(why, 200)}`)
      line += lines.length
      invalid += read.invalid.length
      for (const one of read.lines) {
        const previewed = previewOf(one, context)
        add(totals, previewed)
        yield* json ? Console.log(JSON.stringify(previewed)) : show(previewed)
      }
    })
    yield* Stream.fromAsyncIterable(source.lines, (error) => unreadable(file, error)).pipe(Stream.runForEach(take))
    if (!json) yield* Console.log(sentence(totals))
    if (invalid > 0) return yield* failed("invalid-lines", `${plural(invalid, "line is", "lines are")} not in the import format and would not be imported`, "The lines above say why.")
  })
).pipe(
  Command.withDescription("Show what would leave of a file of conversations, and what would be hidden in it"),
  Command.withExamples([{ command: "maestra privacy preview conversations.jsonl --json", description: "One conversation a line, with the places of what was hidden" }])
)

/** The settings of the backend here; where none runs, what a new machine begins with. */
const settingsHere: Effect.Effect<Settings, never, Effect.Services<ReturnType<typeof find>>> = find("local").pipe(
  Effect.flatMap((backend) => ask(backend, PrivacySettings, { method: "GET", path: "/privacy-settings" })),
  Effect.map(({ value }): Settings => value),
  Effect.catch(() => Effect.as(note("no local backend runs here: shown with the settings a new machine begins with"), defaults)))

interface Totals {
  conversations: number
  messages: number
  changed: number
  withheld: number
  readonly hidden: Map<string, number>
}

const add = (totals: Totals, { messages, title_redactions = [], withheld }: Previewed): void => {
  totals.conversations++
  totals.messages += messages.length
  totals.withheld += withheld?.messages ?? 0
  totals.changed += messages.filter(({ redactions }) => redactions.length > 0).length
  for (const { kind } of [...title_redactions, ...messages.flatMap(({ redactions }) => redactions)]) totals.hidden.set(kind, (totals.hidden.get(kind) ?? 0) + 1)
}

/** A message on a screen: more is in `--json`. */
const shownMax = 200

const show = ({ conversation_id, messages, title, title_redactions = [] }: Previewed) =>
  Effect.gen(function*() {
    if (title !== undefined && title_redactions.length > 0) yield* Console.log(`${oneLine(conversation_id, 64)}: ${oneLine(title, shownMax)}`)
    for (const { content, id, redactions } of messages) {
      if (redactions.length > 0) yield* Console.log(`${oneLine(conversation_id, 64)} ${oneLine(id, 64)}: ${oneLine(content, shownMax)}`)
    }
  })

const sentence = ({ changed, conversations, hidden, messages, withheld }: Totals): string => {
  const found = [...hidden].map(([kind, times]) => `${count(times)} ${kind.toLowerCase().replaceAll("_", " ")}`).join(", ")
  const leave = `${plural(messages, "message")} of ${plural(conversations, "conversation")} would leave, ${changed === 0 ? "none changed" : `${count(changed)} of them changed (hidden: ${found})`}`
  return withheld === 0 ? leave : `${leave}; ${plural(withheld, "message")} would stay here`
}
