import * as Effect from "effect/Effect"
import { homedir } from "node:os"
import { join, relative, resolve } from "node:path"
import { DataDir } from "./settings.ts"
import { shellWord } from "./text.ts"

const checkout = resolve(import.meta.dirname, "../..")

/** How to call this program in a line that can be pasted, for the data directory in use. */
export const commandPrefix = Effect.map(DataDir, (dir) => prefixFor(dir))

/** `npx maestra` in the checkout. Elsewhere npx would look for a stranger's package of that name: the whole path. */
export const prefixFor = (dir: string, cwd: string = process.cwd()): string => {
  const inside = within(checkout, cwd)
  const program = inside ? "npx maestra" : shellWord(join(checkout, "src/cli/maestra.sh"))
  const path = resolve(cwd, dir)
  if (dir === "" || path === join(homedir(), ".8825")) return program
  return `MAESTRA_DATA_DIR=${shellWord(inside && path !== cwd && within(cwd, path) ? relative(cwd, path) : path)} ${program}`
}

const within = (folder: string, path: string): boolean => !relative(folder, path).startsWith("..")
