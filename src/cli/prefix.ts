import * as Effect from "effect/Effect"
import { homedir } from "node:os"
import { join, relative, resolve } from "node:path"
import { DataDir } from "./settings.ts"
import { shellWord } from "./text.ts"

/** How to call this program in a line that can be pasted: `npx maestra`, for the data directory in use. */
export const commandPrefix = Effect.map(DataDir, (dir) => prefixFor(dir))

export const prefixFor = (dir: string): string =>
  dir === "" || resolve(dir) === join(homedir(), ".8825") ? "npx maestra" : `MAESTRA_DATA_DIR=${shellWord(shortest(dir))} npx maestra`

/** Relative where that is what a person would type. */
const shortest = (dir: string): string => {
  const near = relative(process.cwd(), resolve(dir))
  return near === "" || near.startsWith("..") ? resolve(dir) : near
}
