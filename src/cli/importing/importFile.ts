import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Imported } from "../answers.ts"
import type { Backend } from "../backend.ts"
import { ask } from "../call.ts"
import { CliFailure, failed } from "../failure.ts"
import { note } from "../print.ts"
import { progressBar } from "../progress.ts"
import { count, plural } from "../text.ts"
import { type Chunk, type Invalid, makeChunker } from "./chunks.ts"
import { openLines } from "./lines.ts"

/** What an import came to. `messages` counts what the file holds, `unchanged` how many of them were already there. */
export interface ImportResult {
  readonly conversations: number
  readonly messages: number
  readonly events: number
  readonly unchanged: number
  readonly invalid: ReadonlyArray<Invalid>
  readonly seconds: number
}

/** A body of 2,000 conversations is fsynced in well under a second; a slow disk gets two minutes. */
const chunkTimeoutMillis = 120_000

/** What passes by itself, asked again for a minute. An import that is repeated adds nothing, so this is always safe. */
const patience = Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(60)])
const passes = ({ type }: CliFailure) => /:(rate-limited|busy|store-unavailable|projections-unavailable)$/.test(type)

/**
 * Import a file of JSON lines (gz too, `-` for stdin) through HTTP, one chunk after the other: a conversation whose
 * lines are spread over the file keeps its order. Interrupted, the chunk on its way is finished first.
 */
export const importFile = Effect.fnUntraced(function*(backend: Backend, file: string) {
  const bar = yield* progressBar("importing")
  const source = yield* Effect.tryPromise({ try: () => openLines(file, process.stdin), catch: (error) => unreadable(file, error) })
  const chunker = makeChunker()
  const totals: Totals = { conversations: 0, messages: 0, events: 0, unchanged: 0, invalid: [], line: 0 }

  const take = ({ chunk, readBytes }: { readonly chunk: Chunk; readonly readBytes: number }) =>
    ask(backend, Imported, { method: "POST", path: "/import", body: chunk.body, timeoutMillis: chunkTimeoutMillis }).pipe(
      Effect.map(({ value }) => add(totals, chunk, value)),
      Effect.uninterruptible,
      Effect.retry({ schedule: patience, while: passes }),
      Effect.andThen(Effect.suspend(() => bar.show({ at: readBytes, of: source.sizeBytes, done: totals.messages, unit: "messages" })))
    )

  let number = 0
  yield* Stream.fromAsyncIterable(source.lines, (error) => unreadable(file, error)).pipe(
    Stream.map((lines) => lines.flatMap((line) => chunker.add(line, ++number))),
    Stream.concat(Stream.sync(chunker.end)),
    Stream.flattenIterable,
    // where the file was when the chunk was cut, for the bar
    Stream.map((chunk) => ({ chunk, readBytes: source.readBytes() })),
    // the next chunk is read and unpacked while the backend works on this one
    Stream.buffer({ capacity: 1 }),
    Stream.runForEach(take),
    Effect.ensuring(bar.clear),
    Effect.onInterrupt(() => note(`stopped: ${howFar(totals)}`)),
    Effect.mapError((error) => withHint(error, `${howFar(totals)}.`))
  )
  const result: ImportResult = {
    conversations: totals.conversations,
    messages: totals.messages,
    events: totals.events,
    unchanged: totals.unchanged,
    invalid: [...totals.invalid, ...chunker.invalid()].sort((a, b) => a.line - b.line),
    seconds: (yield* bar.elapsedMillis) / 1000
  }
  return result
})

interface Totals {
  conversations: number
  messages: number
  events: number
  unchanged: number
  readonly invalid: Array<Invalid>
  /** Line of the file up to which all is in. */
  line: number
}

const add = (totals: Totals, chunk: Chunk, taken: typeof Imported.Type): void => {
  totals.conversations += taken.conversations - chunk.continued
  totals.messages += taken.messages
  totals.events += taken.events
  totals.unchanged += taken.unchanged
  totals.invalid.push(...taken.invalid.map(({ line, why }) => ({ line: chunk.lineNumbers[line - 1] ?? line, why })))
  totals.line = chunk.lineNumbers.at(-1) ?? totals.line
}

const howFar = (totals: Totals): string =>
  totals.line === 0
    ? "nothing is imported yet"
    : `${plural(totals.conversations, "conversation")}, ${plural(totals.messages, "message")} are in (up to line ${count(totals.line)}); running the same command again continues, what is there is not imported twice`

const withHint = (error: CliFailure, more: string) =>
  new CliFailure({ kind: error.kind, type: error.type, sentence: error.sentence, hint: error.hint === "" ? more : `${error.hint}\n  ${more}` })

export const unreadable = (file: string, why: unknown) =>
  failed(
    "file-unreadable",
    `${file === "-" ? "stdin" : file} cannot be read${why instanceof Error ? `: ${why.message}` : ""}`,
    "Give a file of JSON lines, gz or not, or - for stdin."
  )
