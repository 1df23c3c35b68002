import { createHash } from "node:crypto"
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs"
import { join } from "node:path"
import { highwayHash64 } from "./highwayHash.ts"

/**
 * nats-server's file store from the outside, as somebody with access to the disk has it: read a stopped server's
 * messages, change them, and write them back so that the store itself finds nothing wrong.
 *
 * ```
 * a message in <n>.blk, little-endian:
 * length:4 (bit 31: has headers) · seq:8 (bit 63: erased) · time:8 · subject length:2 · subject
 *   · [header length:4 · headers] · body · checksum:8
 * ```
 * The checksum is HighwayHash-64 over seq, time, subject, headers and body, under SHA-256 of `<stream>-<n>`: no secret.
 * A byte flipped without it is noticed by the store when the message is read, and the message is lost to its readers.
 * `index.db` is a summary the server makes again when it is not there.
 *
 * Source: nats-server 2.15, server/filestore.go (`writeMsgRecordLocked`, `msgFromBufEx`, `hashKeyForBlock`).
 */
export interface StoredMessage {
  readonly seq: bigint
  readonly time: bigint
  readonly subject: string
  /** `undefined`: stored without. */
  readonly headers: Buffer | undefined
  readonly body: Buffer
}

export interface Block {
  readonly file: string
  readonly messages: ReadonlyArray<StoredMessage>
}

const hasHeaders = 0x8000_0000
const erased = 1n << 63n
const fixedBytes = 22
const checksumBytes = 8

/**
 * The blocks of a stream under a server's `store_dir`, whichever account it belongs to. The server must be stopped, or
 * write nothing. `only`: what is of interest are messages on this subject, and the checks of the others are passed over.
 */
export const blocksOf = (storeDir: string, stream: string, only?: string): ReadonlyArray<Block> => {
  const files = readdirSync(storeDir, { recursive: true, encoding: "utf8" })
    .filter((name) => name.includes(join("streams", stream, "msgs")) && name.endsWith(".blk"))
    .sort((a, b) => numberOf(a) - numberOf(b))
  return files.map((name) => ({ file: join(storeDir, name), messages: parse(readFileSync(join(storeDir, name)), hasherOf(stream, numberOf(name)), only) }))
}

/** Write a block's messages, with fitting checksums, and let the server find out anew what is there. */
export const rewrite = (stream: string, block: Block, messages: ReadonlyArray<StoredMessage>): void => {
  const hash = hasherOf(stream, numberOf(block.file))
  writeFileSync(block.file, Buffer.concat(messages.map((message) => record(message, hash))))
  rmSync(join(block.file, "..", "index.db"), { force: true })
}

/**
 * Put another message of the same length in one's place, with a fitting checksum, in the file of a server that runs: it
 * goes on serving the old one for as long as it has it in memory, and the new one once it reads the file again.
 */
export const exchange = (stream: string, { file }: Block, old: StoredMessage, changed: StoredMessage): void => {
  const hash = hasherOf(stream, numberOf(file))
  const [was, is] = [record(old, hash), record(changed, hash)]
  const at = readFileSync(file).indexOf(was)
  if (at === -1 || is.length !== was.length) throw new Error(`message ${old.seq} is not in ${file}, or has another length`)
  const descriptor = openSync(file, "r+")
  writeSync(descriptor, is, 0, is.length, at)
  closeSync(descriptor)
}

type Hasher = (message: StoredMessage) => Buffer

const numberOf = (file: string): number => Number(/(\d+)\.blk$/.exec(file)?.[1])

const hasherOf = (stream: string, block: number): Hasher => {
  const key = createHash("sha256").update(`${stream}-${block}`).digest()
  return (message) => highwayHash64(key, Buffer.concat([uint64(message.seq), uint64(message.time), Buffer.from(message.subject), message.headers ?? Buffer.alloc(0), message.body]))
}

const parse = (bytes: Buffer, hash: Hasher, only: string | undefined): ReadonlyArray<StoredMessage> => {
  const out: Array<StoredMessage> = []
  for (let at = 0; at < bytes.length;) {
    const marked = bytes.readUInt32LE(at)
    const length = (marked & ~hasHeaders) >>> 0
    const one = bytes.subarray(at, at + length)
    at += length
    const seq = one.readBigUInt64LE(4)
    if ((seq & erased) !== 0n) continue
    const bodyFrom = fixedBytes + one.readUInt16LE(20)
    const headerBytes = marked >= hasHeaders ? one.readUInt32LE(bodyFrom) : undefined
    const headersFrom = headerBytes === undefined ? bodyFrom : bodyFrom + 4
    const message = {
      seq,
      time: one.readBigUInt64LE(12),
      subject: one.subarray(fixedBytes, bodyFrom).toString(),
      headers: headerBytes === undefined ? undefined : one.subarray(headersFrom, headersFrom + headerBytes),
      body: one.subarray(headersFrom + (headerBytes ?? 0), length - checksumBytes)
    }
    // what is written back must pass the store's own check, so the check is ours before anything is changed
    if ((only === undefined || only === message.subject) && !hash(message).equals(one.subarray(length - checksumBytes))) throw new Error(`message ${seq} has another checksum than expected: is this another version of nats-server?`)
    out.push(message)
  }
  return out
}

const record = (message: StoredMessage, hash: Hasher): Buffer => {
  const subject = Buffer.from(message.subject)
  const headers = message.headers === undefined ? [] : [uint32(message.headers.length), message.headers]
  const rest = [subject, ...headers, message.body]
  const length = fixedBytes + rest.reduce((sum, { length }) => sum + length, 0) + checksumBytes
  const fixed = Buffer.alloc(fixedBytes)
  fixed.writeUInt32LE((message.headers === undefined ? length : length + hasHeaders) >>> 0, 0)
  fixed.writeBigUInt64LE(message.seq, 4)
  fixed.writeBigUInt64LE(message.time, 12)
  fixed.writeUInt16LE(subject.length, 20)
  return Buffer.concat([fixed, ...rest, hash(message)])
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const uint64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}
