/**
 * Cuts the lines of an import file into request bodies the backend takes. Pure: lines in, chunks out, bytes untouched.
 *
 * A conversation that is larger than a body goes as several lines of the same conversation, each message with
 * the id it would have had (`i<index>`), in order: the import only ever adds, so the parts make the whole.
 */

/** A body is at most 4 MiB; this leaves room for what a line grows by when ids are written out. */
export const chunkMaxBytes = 3.5 * 1024 * 1024
/** Keeps one request short enough for progress to be seen and Ctrl-C to be obeyed. */
const chunkMaxLines = 2_000

export interface Invalid {
  readonly line: number
  readonly why: string
}

export interface Chunk {
  readonly body: Uint8Array
  /** Line of the file each line of the body came from, counted from 1. */
  readonly lineNumbers: ReadonlyArray<number>
  /** Lines of the body that go on with the conversation of the line before: not counted as conversations. */
  readonly continued: number
}

const lineBreak = Buffer.from("\n")

/** Collects lines (bytes, without the break); `add` and `end` return the chunks that are full. */
export const makeChunker = (maxBytes: number = chunkMaxBytes, maxLines: number = chunkMaxLines) => {
  const invalid: Array<Invalid> = []
  let parts: Array<Uint8Array> = []
  let lineNumbers: Array<number> = []
  let continued = 0
  let bytes = 0

  const end = (): ReadonlyArray<Chunk> => {
    if (lineNumbers.length === 0) return []
    const chunk: Chunk = { body: Buffer.concat(parts, bytes), lineNumbers, continued }
    parts = []
    lineNumbers = []
    continued = 0
    bytes = 0
    return [chunk]
  }

  const put = (line: Uint8Array, number: number, isContinued: boolean): ReadonlyArray<Chunk> => {
    const full = bytes + line.length + 1 > maxBytes || lineNumbers.length >= maxLines ? end() : []
    parts.push(line, lineBreak)
    lineNumbers.push(number)
    bytes += line.length + 1
    if (isContinued) continued++
    return full
  }

  const add = (line: Uint8Array, number: number): ReadonlyArray<Chunk> => {
    if (line.length === 0) return []
    if (line.length + 1 <= maxBytes) return put(line, number, false)
    const cuts = cut(line, maxBytes)
    if (typeof cuts === "string") {
      invalid.push({ line: number, why: cuts })
      return []
    }
    return cuts.flatMap((part, index) => put(Buffer.from(part), number, index > 0))
  }

  return { add, end, invalid: (): ReadonlyArray<Invalid> => invalid }
}

/** One over-long line as several, or why it cannot be cut. */
const cut = (line: Uint8Array, maxBytes: number): ReadonlyArray<string> | string => {
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line))
  } catch {
    return "is too long for one request, and not JSON that could be cut"
  }
  if (typeof parsed !== "object" || parsed === null || !("messages" in parsed) || !Array.isArray(parsed.messages)) {
    return "is too long for one request, and has no list of messages"
  }
  const { messages, ...rest }: { readonly messages: ReadonlyArray<unknown> } = { ...parsed, messages: parsed.messages }
  const open = JSON.stringify({ ...rest, messages: [] }).slice(0, -"]}".length)
  const frame = Buffer.byteLength(open) + "]}\n".length
  const lines: Array<string> = []
  let part: Array<string> = []
  let bytes = frame
  for (const [index, message] of messages.entries()) {
    const text = JSON.stringify(withId(message, index))
    const length = Buffer.byteLength(text) + 1
    if (frame + length > maxBytes) return `message ${index} is larger than a request may be`
    if (bytes + length > maxBytes) {
      lines.push(`${open}${part.join(",")}]}`)
      part = []
      bytes = frame
    }
    part.push(text)
    bytes += length
  }
  return [...lines, `${open}${part.join(",")}]}`]
}

/** The id a message without one gets is its index in the whole conversation, so it is written out before the cut. */
const withId = (message: unknown, index: number): unknown =>
  typeof message === "object" && message !== null && !("id" in message && message.id !== null) ? { ...message, id: `i${index}` } : message
