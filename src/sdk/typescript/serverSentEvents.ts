/** One event of a stream. */
export interface Sent {
  /** The last id told, by which a stream is resumed. */
  readonly id: string
  readonly event: string
  readonly data: string
}

/** Longest frame kept while it is incomplete, characters: the largest event fits many times. */
const frameMaxLength = 8 * 1024 * 1024

/** Server-Sent Events as they come (WHATWG HTML 9.2.6), as far as our backends speak it. Comments yield too, with no data: a sign of life. */
export async function* readSent(body: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<Sent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  let id = ""
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      text = (text + value).replaceAll("\r\n", "\n")
      for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
        const fields = text.slice(0, end).split("\n").map(fieldOf)
        text = text.slice(end + 2)
        id = fields.findLast(([name]) => name === "id")?.[1] ?? id
        yield { id, event: fields.find(([name]) => name === "event")?.[1] ?? "message", data: fields.filter(([name]) => name === "data").map(([, value]) => value).join("\n") }
      }
      if (text.length > frameMaxLength) throw new Error("an event without an end")
    }
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}

const fieldOf = (line: string): readonly [string, string] => {
  const at = line.indexOf(":")
  return at === -1 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).replace(/^ /, "")]
}
