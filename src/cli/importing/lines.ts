import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { createGunzip } from "node:zlib"
import { linesOfArchive, lookInside } from "./archive.ts"
import { linesOf } from "./linesOf.ts"

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

/**
 * A file of lines, unpacked when its first two bytes say gzip; an archive of `privacy export`, by the lines of its
 * conversations; `-` is `stdin`. Throws what the file system says.
 */
export const openLines = async (file: string, stdin: AsyncIterable<Uint8Array>): Promise<Source> => {
  if (file === "-") return { lines: linesOf(stdin), sizeBytes: 0, readBytes: () => 0 }
  const { isGzip, sizeBytes } = await peek(file)
  const raw = createReadStream(file, { highWaterMark: readAheadBytes })
  // a disk that fails in the middle must not look like the end of the file
  const unpacked = isGzip ? createGunzip() : undefined
  if (unpacked !== undefined) raw.on("error", (error) => unpacked.destroy(error))
  const { bytes, isTar } = await lookInside(unpacked === undefined ? raw : raw.pipe(unpacked))
  return { lines: isTar ? linesOfArchive(bytes) : linesOf(bytes), sizeBytes, readBytes: () => raw.bytesRead }
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
