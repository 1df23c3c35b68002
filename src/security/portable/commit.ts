import type { CommitRecord } from "../../../streams/CommitRecord.ts"
import { fromUtf8, utf8 } from "./bytes.ts"
import { canonicalJson } from "./canonical.ts"
import { digestOf } from "./digest.ts"
import { keyIdOf } from "./keys.ts"
import { signObject, verifyObject } from "./signing.ts"

/** A commit as it is sent over HTTP: texts whose UTF-8 bytes are the signed bytes. */
export interface Commit {
  readonly record: string
  readonly events: ReadonlyArray<string>
}

/** What a commit says before it is signed. */
export type CommitFields = Omit<CommitRecord, "signature">

/** The signed record as it is sent and stored: canonical JSON. */
export const signCommit = async (fields: CommitFields, key: CryptoKey): Promise<string> => canonicalJson(await signObject(key, "commit", fields))

/** SHA-256 of a record's stored bytes: what `prev` and `seen.head` of later commits name. */
export const recordDigest = (record: string): Promise<string> => digestOf(utf8(record))

/** A record's fields, as far as its author's own chain needs them; nothing where the text is no record. */
export const readRecord = (record: string): CommitRecord | undefined => {
  try {
    const json: unknown = JSON.parse(record)
    return isRecord(json) ? json : undefined
  } catch {
    return undefined
  }
}

const isRecord = (json: unknown): json is CommitRecord => {
  if (typeof json !== "object" || json === null) return false
  const text = (field: string) => typeof Reflect.get(json, field) === "string"
  const count = (field: string) => Number.isSafeInteger(Reflect.get(json, field))
  return ["author", "key_id", "sync_id", "journal", "ids", "prev", "time", "signature"].every(text) && ["from", "to"].every(count) && Array.isArray(Reflect.get(json, "hashes"))
}

/** Whether this key signed the record, and the record covers exactly these events. */
export const verifyCommit = async ({ events, record }: Commit, publicPem: string): Promise<boolean> => {
  const read = readRecord(record)
  if (read === undefined || fromUtf8(utf8(record)) !== record) return false
  const hashes = await Promise.all(events.map((event) => digestOf(utf8(event))))
  return read.hashes.length === hashes.length && hashes.every((hash, index) => hash === read.hashes[index]) &&
    read.key_id === (await keyIdOf(publicPem)) && (await verifyObject(publicPem, "commit", read))
}
