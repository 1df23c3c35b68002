import { mkdir, open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"

/** A file that is full is set aside as `.1`, the one before as `.2`, and so on. */
const sizeMaxBytes = 4 * 1024 * 1024
/** Files set aside: about 150,000 entries in all. The oldest goes. */
const olderMax = 8

const newline = 10
const nothing = (cause: NodeJS.ErrnoException) => {
  if (cause.code === "ENOENT") return undefined
  throw cause
}

/** Lines of bytes in a file that only grows, and the files that grew before it. One process at a time. */
export interface AuditFile {
  /** Durable when it is done; all of them or none. */
  readonly append: (lines: ReadonlyArray<Uint8Array>) => Promise<void>
  /** Every line, of one file after the other: `0` the one that grows, then the older ones. Nothing where there is none. */
  readonly lines: (index: number) => Promise<ReadonlyArray<Uint8Array> | undefined>
}

export const olderFiles = olderMax

/** What a crash left of a line that was never acknowledged is cut off. */
export const openAuditFile = async (path: string): Promise<AuditFile> => {
  const nameOf = (index: number) => index === 0 ? path : `${path}.${index}`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const held = await readFile(path).catch(nothing)
  let size = held === undefined ? 0 : held.lastIndexOf(newline) + 1
  if (held !== undefined && size < held.length) await cut(path, size)
  return {
    append: async (lines) => {
      const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.of(newline)]))
      if (size > 0 && size + bytes.length > sizeMaxBytes) {
        for (let index = olderMax - 1; index >= 0; index--) await rename(nameOf(index), nameOf(index + 1)).catch(nothing)
        size = 0
      }
      const file = await open(path, "a", 0o600)
      try {
        // what an attempt before this one left half written
        if ((await file.stat()).size !== size) await file.truncate(size)
        await file.appendFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
      size += bytes.length
    },
    lines: async (index) => {
      const bytes = await readFile(nameOf(index)).catch(nothing)
      return bytes === undefined ? undefined : split(bytes)
    }
  }
}

const cut = async (path: string, size: number): Promise<void> => {
  const file = await open(path, "r+")
  try {
    await file.truncate(size)
    await file.sync()
  } finally {
    await file.close()
  }
}

const split = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => {
  const out: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(newline, at)
    if (end === -1) break
    out.push(bytes.subarray(at, end))
    at = end + 1
  }
  return out
}
