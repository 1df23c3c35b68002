import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from "node:fs"
import { join } from "node:path"
import type { Backend } from "../world.ts"
import type { Dice } from "./load.ts"

/** The block files of a stream, whichever account it belongs to. */
const blocksOf = (backend: Backend, stream: string): ReadonlyArray<string> => {
  const store = join(backend.dir, "nats/store")
  return readdirSync(store, { recursive: true, encoding: "utf8" })
    .filter((name) => name.includes(join("streams", stream, "msgs")) && name.endsWith(".blk"))
    .map((name) => join(store, name))
}

/** Flip bits of some bytes in a row, anywhere in a stream's blocks, as a failing disk does. Returns what was hit; nothing where there is nothing. */
export const corrupt = (backend: Backend, stream: string, dice: Dice): string | undefined => {
  const files = blocksOf(backend, stream).filter((file) => statSync(file).size > 0)
  if (files.length === 0) return undefined
  const file = dice.pick(files)
  const size = statSync(file).size
  const length = Math.min(size, dice.pick([1, 1, 8, 64, 512]))
  const at = dice.below(size - length + 1)
  const bytes = Buffer.alloc(length)
  const descriptor = openSync(file, "r+")
  readSync(descriptor, bytes, 0, length, at)
  for (let i = 0; i < length; i++) bytes[i] = bytes[i]! ^ (1 << dice.below(8))
  writeSync(descriptor, bytes, 0, length, at)
  closeSync(descriptor)
  return `${length} bytes at ${at} of ${size}`
}
