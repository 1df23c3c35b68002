import { chmodSync, writeFileSync } from "node:fs"

/** What a nats-server says of itself through Go's profiler. */
export interface Profile {
  readonly goroutines: number
  /** Bytes in use after a collection, without `blocks`. */
  readonly heap: number
  /** Bytes of it that hold blocks of streams: the one being written, which grows to 8 MiB and is then let go of, and those being read. */
  readonly blocks: number
}

/**
 * A nats-server that answers Go's profiler on this port of loopback, as a program of its own at `file`: to be named as
 * `NATS_SERVER`. Only what we measure is started this way.
 */
export const writeProfiledServer = (file: string, binary: string, port: number): void => {
  writeFileSync(file, `#!/bin/sh\nexec '${binary}' --profile ${port} "$@"\n`)
  chmodSync(file, 0o755)
}

/** Asked for two collections first: what is only waiting to be collected is not counted, nor what Go's pools keep from one to the next. */
export const profileAt = async (port: number): Promise<Profile> => {
  const ask = (what: string) => fetch(`http://127.0.0.1:${port}/debug/pprof/${what}`).then((response) => response.text())
  const number = (text: string, pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN)
  await ask("heap?gc=1")
  const heap = await ask("heap?gc=1&debug=1")
  const blocks = heap.split("\n\n").filter((record) => record.includes("server.getMsgBlockBuf")).reduce((sum, record) => sum + number(record, /^\d+: (\d+) \[/m), 0)
  return { heap: number(heap, /^# HeapAlloc = (\d+)/m) - blocks, blocks, goroutines: number(await ask("goroutine?debug=1"), /^goroutine profile: total (\d+)/) }
}
