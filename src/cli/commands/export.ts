import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"
import { createWriteStream } from "node:fs"
import { rename, rm } from "node:fs/promises"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import { type Where, reading, where } from "../backend.ts"
import { send } from "../call.ts"
import { failed } from "../failure.ts"
import { answer } from "../print.ts"
import { plural, size } from "../text.ts"

const newline = 10

/** `export [--out FILE]`: everything in the import format. */
export const exportCommand = Command.make(
  "export",
  {
    ...where,
    out: Flag.String("out").pipe(Flag.withDescription("Write here instead of stdout; gz when the name ends in .gz"), Flag.optional)
  },
  Effect.fn(function*(flags: Where & { readonly out: Option.Option<string> }) {
    const backend = yield* reading(flags)
    const response = yield* send(backend, { method: "GET", path: "/export" })
    const out = Option.getOrUndefined(flags.out)
    const counted = yield* writeOut(response, out)
    if (out !== undefined) {
      yield* answer({ ...counted, out }, () => `exported ${plural(counted.conversations, "conversation")} (${size(counted.bytes)}) to ${out}`)
    }
  })
).pipe(
  Command.withDescription("Export all conversations as JSON lines, in the format `import` reads"),
  Command.withExamples([{ command: "maestra export --out conversations.jsonl.gz", description: "Readable by you alone (mode 0600)" }])
)

/** To stdout as it comes; a file whole or not at all: written beside its place and moved there at the end. */
const writeOut = (response: Response, out: string | undefined) => {
  const counted = { conversations: 0, bytes: 0 }
  const counting = new Transform({
    transform(chunk: Uint8Array, _encoding, next) {
      counted.bytes += chunk.length
      for (const byte of chunk) if (byte === newline) counted.conversations++
      next(null, chunk)
    }
  })
  const partial = `${out}.partial`
  return Effect.tryPromise({
    try: async (signal) => {
      const body = response.body === null ? Readable.from([]) : Readable.fromWeb(response.body)
      if (out === undefined) {
        await pipeline(body, counting, process.stdout, { signal, end: false })
      } else {
        const file = createWriteStream(partial, { mode: 0o600 })
        await (out.endsWith(".gz") ? pipeline(body, counting, createGzip(), file, { signal }) : pipeline(body, counting, file, { signal }))
        await rename(partial, out)
      }
      return counted
    },
    catch: (error) => failed("export-incomplete", `the export is not complete: ${error instanceof Error ? error.message : "the connection was lost"}`, "Run it again.")
  }).pipe(
    Effect.onExit((exit) => exit._tag === "Success" || out === undefined ? Effect.void : Effect.promise(() => rm(partial, { force: true })))
  )
}
