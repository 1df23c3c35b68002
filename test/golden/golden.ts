import { assert } from "@effect/vitest"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"

/**
 * A committed file that must not change by accident. `GOLDEN=write npx vitest run test/golden` writes
 * what the code says today; the diff of the commit is then the review. A missing file is a failure.
 */
const writing = process.env["GOLDEN"] === "write"

const at = (path: string) => new URL(path, import.meta.url)

/** The exact bytes of `test/golden/<path>` as text. */
export const read = (path: string): string => readFileSync(at(path), "utf8")

/** Names of the files in `test/golden/<folder>/`, sorted. */
export const filesIn = (folder: string): ReadonlyArray<string> => readdirSync(at(folder)).toSorted()

/** Hold `text` equal to the committed file, byte for byte. */
export const matches = (path: string, text: string): void => {
  if (writing) writeFileSync(at(path), text)
  assert.strictEqual(text, read(path), `test/golden/${path} is another: was this meant? (GOLDEN=write, then read the diff)`)
}

/** The same for a value, as JSON a person can read in a diff. */
export const matchesJson = (path: string, value: unknown): void => matches(path, `${JSON.stringify(value, null, 2)}\n`)
