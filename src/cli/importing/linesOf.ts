/** More than this without a line break is not a file of JSON lines; reading on would only fill the memory. */
const lineMaxBytes = 256 * 1024 * 1024

const newline = 10
const carriageReturn = 13

/** Bytes cut at line breaks (`\n` or `\r\n`). Nothing is decoded: what is not UTF-8 is for the backend to refuse. */
export async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<ReadonlyArray<Uint8Array>> {
  let rest: Array<Uint8Array> = []
  let restBytes = 0
  for await (const chunk of source) {
    const lines: Array<Uint8Array> = []
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const piece = chunk.subarray(start, end)
      lines.push(withoutReturn(rest.length === 0 ? piece : Buffer.concat([...rest, piece])))
      rest = []
      restBytes = 0
      start = end + 1
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start))
      restBytes += chunk.length - start
      if (restBytes > lineMaxBytes) throw new Error(`a line is longer than ${lineMaxBytes} bytes`)
    }
    if (lines.length > 0) yield lines
  }
  if (rest.length > 0) yield [withoutReturn(Buffer.concat(rest))]
}

const withoutReturn = (line: Uint8Array): Uint8Array => line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
