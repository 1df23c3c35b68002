import { readIfThere } from "./readIfThere.ts"
import { replaceFile } from "./replaceFile.ts"

/** The line a file holds; made once, and durable when it is given. Rejects with Node's error where it can be neither read nor written. */
export const keptText = async (file: string, make: () => string): Promise<string> => {
  const kept = await readIfThere(file)
  if (kept !== undefined) return kept.trim()
  const made = make()
  await replaceFile(file, `${made}\n`)
  return made
}
