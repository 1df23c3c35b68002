import { createHash } from "node:crypto"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import { extract } from "tar-stream"
import { conversationsFolder, sumsFile } from "../../gateway/privacy/archive.ts"
import { linesOf } from "./linesOf.ts"

/** Where every tar says that it is one. */
const magic = { at: 257, text: "ustar" }

/** Whether these bytes are a tar's, and the bytes again from their beginning. */
export const lookInside = async (source: AsyncIterable<Uint8Array>): Promise<{ readonly isTar: boolean; readonly bytes: AsyncIterable<Uint8Array> }> => {
  const reader = source[Symbol.asyncIterator]()
  const head: Array<Uint8Array> = []
  for (let length = 0; length < magic.at + magic.text.length;) {
    const { done, value } = await reader.next()
    if (done === true) break
    head.push(value)
    length += value.length
  }
  const isTar = Buffer.concat(head).subarray(magic.at, magic.at + magic.text.length).toString("latin1") === magic.text
  return { isTar, bytes: following(head, reader) }
}

async function* following(head: ReadonlyArray<Uint8Array>, reader: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* head
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) yield next.value
}

/**
 * The lines of an archive's conversations, file by file as they come. Every file is held to the archive's own list of
 * checksums, which comes last: an archive that is cut off or damaged ends in an error, and what came before is as it was written.
 */
export async function* linesOfArchive(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ReadonlyArray<Uint8Array>> {
  const tar = extract()
  const feeding = pipeline(Readable.from(bytes), tar)
  // told where the entries end: a rejection nobody awaits yet is no crash
  feeding.catch(() => {})
  const sums = new Map<string, string>()
  let told: string | undefined
  for await (const entry of tar) {
    const { name } = entry.header
    const hash = createHash("sha256")
    const bytes = hashed(entry, hash)
    if (name === sumsFile) told = await textOf(bytes)
    else if (name.startsWith(`${conversationsFolder}/`)) yield* linesOf(bytes)
    else for await (const _ of bytes) continue
    sums.set(name, hash.digest("hex"))
  }
  await feeding
  sums.delete(sumsFile)
  if (told === undefined) throw new Error("the archive is cut off: its last file, the checksums, is missing")
  const listed = new Map(told.trimEnd().split("\n").map((line): [string, string] => [line.slice(66), line.slice(0, 64)]))
  const wrong = [...new Set([...sums.keys(), ...listed.keys()])].find((name) => sums.get(name) !== listed.get(name))
  if (wrong !== undefined) throw new Error(`the archive is damaged: ${wrong} is not what its checksum says`)
}

async function* hashed(source: AsyncIterable<unknown>, hash: ReturnType<typeof createHash>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    if (!(chunk instanceof Uint8Array)) continue
    hash.update(chunk)
    yield chunk
  }
}

/** A list of names and checksums: 80 bytes for each megabyte of the archive. */
const textOf = async (source: AsyncIterable<Uint8Array>): Promise<string> => {
  const chunks: Array<Uint8Array> = []
  for await (const chunk of source) chunks.push(chunk)
  return Buffer.concat(chunks).toString("utf8")
}
