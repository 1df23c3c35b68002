import * as Effect from "effect/Effect"
import { createWriteStream } from "node:fs"
import { rename, rm } from "node:fs/promises"
import { Readable, Transform } from "node:stream"
import { pipeline } from "node:stream/promises"
import { createGzip } from "node:zlib"
import { failed } from "./failure.ts"

const newline = 10

/** What an answer held so far, before it was packed. */
export interface Counted {
  readonly lines: number
  readonly bytes: number
}

/**
 * An answer to stdout as it comes (`out` absent), or into a file, whole or not at all: written beside its place and moved
 * there at the end; gz when the name ends so. `told` hears how far it is.
 */
export const writeOut = (response: Response, out: string | undefined, told: (counted: Counted) => void = () => {}) => {
  const counted = { lines: 0, bytes: 0 }
  const counting = new Transform({
    transform(chunk: Uint8Array, _encoding, next) {
      counted.bytes += chunk.length
      for (const byte of chunk) if (byte === newline) counted.lines++
      told(counted)
      next(null, chunk)
    }
  })
  const partial = `${out}.partial`
  return Effect.tryPromise({
    try: async (signal): Promise<Counted> => {
      const body = response.body === null ? Readable.from([]) : Readable.fromWeb(response.body)
      if (out === undefined) {
        await pipeline(body, counting, process.stdout, { signal, end: false })
      } else {
        const file = createWriteStream(partial, { mode: 0o600 })
        await (out.endsWith("gz") ? pipeline(body, counting, createGzip(), file, { signal }) : pipeline(body, counting, file, { signal }))
        await rename(partial, out)
      }
      return counted
    },
    catch: (error) => failed("export-incomplete", `the export is not complete: ${error instanceof Error ? error.message : "the connection was lost"}`, "Run it again.")
  }).pipe(
    Effect.onExit((exit) => exit._tag === "Success" || out === undefined ? Effect.void : Effect.promise(() => rm(partial, { force: true })))
  )
}
