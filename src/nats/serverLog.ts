import { closeSync, fstatSync, openSync, readSync } from "node:fs"
import { lastLinesMax } from "./serverErrors.ts"

/** Enough for 50 lines of a server's log; more is not read. */
const tailMaxBytes = 64 * 1024

/** Where the log ends now, in bytes: what comes later is read with `linesSince`. */
export const logEnd = (file: string): number => withFile(file, 0, (fd) => fstatSync(fd).size)

/** Whole and partial lines written after `from`; all of a log that was rotated meanwhile. At most the newest 64 KiB. */
export const linesSince = (file: string, from: number): ReadonlyArray<string> =>
  withFile(file, [], (fd) => {
    const { size } = fstatSync(fd)
    const start = Math.max(from > size ? 0 : from, size - tailMaxBytes)
    const bytes = Buffer.alloc(size - start)
    readSync(fd, bytes, 0, bytes.length, start)
    return bytes.toString("utf8").split("\n").filter((line) => line !== "")
  })

export const lastLines = (file: string): ReadonlyArray<string> => linesSince(file, 0).slice(-lastLinesMax)

const withFile = <A>(file: string, missing: A, use: (fd: number) => A): A => {
  let fd: number
  try {
    fd = openSync(file, "r")
  } catch {
    return missing
  }
  try {
    return use(fd)
  } finally {
    closeSync(fd)
  }
}
