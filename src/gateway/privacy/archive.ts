import { DateTime } from "effect"
import { createHash } from "node:crypto"
import { pack, type Pack } from "tar-stream"

/** One kind of thing an archive holds, as JSON lines. */
export interface Part {
  /** Folder, or file where it is small. */
  readonly name: string
  /** In groups as they are read; each is in memory whole. */
  readonly rows: AsyncIterable<ReadonlyArray<unknown>>
}

export const sumsFile = "SHA256SUMS"
/** What `import` takes back. */
export const conversationsFolder = "conversations"

/** A tar names each file's size before its bytes, so each is written from memory: this is all that is held at once. */
const fileMaxBytes = 1024 * 1024

/**
 * Everything as one tar, as it is read: a README, each part as files of JSON lines (`<name>/00001.jsonl`, …), and at the
 * end `SHA256SUMS`, whose presence says that the archive is whole.
 *
 * @param about what `README.md` says of this very archive
 * @param now milliseconds since 1970: the files' time
 */
export const archive = (about: string, parts: ReadonlyArray<Part>, now: number): AsyncIterable<Uint8Array> => {
  const tar = pack()
  // whoever reads hears of a failure where the bytes end
  writeAll(tar, about, parts, DateTime.toDate(DateTime.makeUnsafe(now))).then(() => tar.finalize(), (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))))
  return bytesOf(tar)
}

async function* bytesOf(tar: Pack): AsyncGenerator<Uint8Array> {
  for await (const chunk of tar) if (chunk instanceof Uint8Array) yield chunk
}

const writeAll = async (tar: Pack, about: string, parts: ReadonlyArray<Part>, mtime: Date): Promise<void> => {
  const sums: Array<string> = []
  const put = async (name: string, bytes: Buffer): Promise<void> => {
    await new Promise<void>((done, failed) => tar.entry({ name, mtime, mode: 0o600 }, bytes, (error) => error == null ? done() : failed(error)))
    if (name !== sumsFile) sums.push(`${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`)
  }
  await put("README.md", Buffer.from(about))
  for (const { name, rows } of parts) {
    let text = ""
    let number = 0
    const flush = async (): Promise<void> => {
      await put(`${name}/${String(++number).padStart(5, "0")}.jsonl`, Buffer.from(text))
      text = ""
    }
    for await (const group of rows) {
      for (const row of group) {
        text += `${JSON.stringify(row)}\n`
        if (text.length >= fileMaxBytes) await flush()
      }
    }
    if (text !== "") await flush()
  }
  await put(sumsFile, Buffer.from(sums.join("")))
}
