import { Result, Schema } from "effect"
import { batchMessagesMax, payloadMaxBytes } from "../../streams/limits.ts"

/** A framed request whose bytes are not exactly a list of frames. Nothing of it was used. */
export class FrameMalformed extends Schema.TaggedError<FrameMalformed>()("FrameMalformed", { why: Schema.String }) {}

/** 7 bits a byte, so four bytes reach 2^28: beyond any payload. */
const uvarintMaxBytes = 4

/** Each item as uvarint length + bytes. Throws RangeError beyond the limits a reader holds it to: a defect of the caller. */
export const frameItems = (items: ReadonlyArray<Uint8Array>): Uint8Array => {
  if (items.length > batchMessagesMax) throw new RangeError(`${items.length} items in one frame`)
  let size = 0
  for (const item of items) {
    if (item.length === 0) throw new RangeError("an empty item in a frame")
    size += uvarintSize(item.length) + item.length
  }
  if (size > payloadMaxBytes) throw new RangeError(`${size} bytes in one frame`)
  const bytes = new Uint8Array(size)
  let at = 0
  for (const item of items) {
    at = writeUvarint(bytes, at, item.length)
    bytes.set(item, at)
    at += item.length
  }
  return bytes
}

/**
 * The items of a frame, as views into its bytes.
 *
 * Strict, so that one list has one frame: lengths in their shortest form, no empty item, nothing behind the
 * last, at most 1,000 items and 8 MiB.
 */
export const unframeItems = (bytes: Uint8Array): Result.Result<ReadonlyArray<Uint8Array>, FrameMalformed> => {
  if (bytes.length > payloadMaxBytes) return refuse(`${bytes.length} bytes, more than ${payloadMaxBytes}`)
  const items: Array<Uint8Array> = []
  let at = 0
  while (at < bytes.length) {
    if (items.length === batchMessagesMax) return refuse(`more than ${batchMessagesMax} items`)
    let length = 0
    let read = 0
    let byte = 0
    do {
      if (read === uvarintMaxBytes) return refuse("a length of more than four bytes")
      if (at === bytes.length) return refuse("ends inside a length")
      byte = bytes[at++]!
      length += (byte & 0x7f) * 2 ** (7 * read++)
    } while (byte >= 0x80)
    if (read > 1 && byte === 0) return refuse("a length not in its shortest form")
    if (length === 0) return refuse("an empty item")
    if (length > bytes.length - at) return refuse("ends inside an item")
    items.push(bytes.subarray(at, at += length))
  }
  return Result.succeed(items)
}

const refuse = (why: string) => Result.fail(new FrameMalformed({ why }))

const uvarintSize = (n: number): number => n < 0x80 ? 1 : n < 0x4000 ? 2 : n < 0x20_0000 ? 3 : 4

const writeUvarint = (bytes: Uint8Array, at: number, n: number): number => {
  while (n >= 0x80) {
    bytes[at++] = (n & 0x7f) | 0x80
    n >>>= 7
  }
  bytes[at++] = n
  return at
}
