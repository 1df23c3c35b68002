import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { createGunzip } from "node:zlib"

/** More than this without a line break is not a file of JSON lines; reading on would only fill the memory. */
const lineMaxBytes = 256 * 1024 * 1024

/** Small, so that `readBytes` says where the lines are from and not how far the disk was read ahead. */
const readAheadBytes = 64 * 1024

export interface Source {
  /** The lines as bytes, without their breaks, in the groups they were read in. */
  readonly lines: AsyncIterable<ReadonlyArray<Uint8Array>>
  /** As stored, compressed or not; 0 when nobody knows. */
  readonly sizeBytes: number
  /** How much of `sizeBytes` was read so far. */
  readonly readBytes: () => number
}

/** A file of lines, unpacked when its first two bytes say gzip; `-` is `stdin`. Throws what the file system says. */
export const openLines = async (file: string, stdin: AsyncIterable<Uint8Array>): Promise<Source> => {
  if (file === "-") return { lines: linesOf(stdin), sizeBytes: 0, readBytes: () => 0 }
  const { isGzip, sizeBytes } = await peek(file)
  const raw = createReadStream(file, { highWaterMark: readAheadBytes })
  if (!isGzip) return { lines: linesOf(raw), sizeBytes, readBytes: () => raw.bytesRead }
  const unpacked = createGunzip()
  // a disk that fails in the middle must not look like the end of the file
  raw.on("error", (error) => unpacked.destroy(error))
  return { lines: linesOf(raw.pipe(unpacked)), sizeBytes, readBytes: () => raw.bytesRead }
}

const peek = async (file: string) => {
  const handle = await open(file)
  try {
    const stat = await handle.stat()
    if (stat.isDirectory()) throw new Error("it is a folder")
    const head = new Uint8Array(2)
    const { bytesRead } = await handle.read(head, 0, 2, 0)
    return { isGzip: bytesRead === 2 && head[0] === 0x1f && head[1] === 0x8b, sizeBytes: stat.size }
  } finally {
    await handle.close()
  }
}

const newline = 10
const carriageReturn = 13

/** Bytes cut at line breaks (`\n` or `\r\n`). Nothing is decoded: what is not UTF-8 is for the backend to refuse. */
export async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<ReadonlyArray<Uint8Array>> {
  let rest: Array<Uint8Array> = []
  let restBytes = 0
  for await (const chunk of source) {
    const lines: Array<Uint8Array> = []
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const piece = chunk.subarray(start, end)
      lines.push(withoutReturn(rest.length === 0 ? piece : Buffer.concat([...rest, piece])))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start))
      restBytes += chunk.length - start
      if (restBytes > lineMaxBytes) throw new Error(`a line is longer than ${lineMaxBytes} bytes`)
    }
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [withoutReturn(Buffer.concat(rest))]
}

const withoutReturn = (line: Uint8Array): Uint8Array => line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
