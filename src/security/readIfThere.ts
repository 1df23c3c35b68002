import { readFile } from "node:fs/promises"

/** A file's text, UTF-8; `undefined` where there is no such file. Rejects with Node's error where it cannot be read. */
export const readIfThere = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined
    throw cause
  })
