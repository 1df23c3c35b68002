import type { KeyObject } from "node:crypto"
import { Effect, Result, Schema } from "effect"
import { CommitRecord } from "../../streams/CommitRecord.ts"
import { joinIds } from "../../streams/Verdict.ts"
import { canonicalJson } from "./canonical.ts"
import { digestOf } from "./digest.ts"
import { FrameMalformed, frameItems, unframeItems } from "./framing.ts"
import { publicKey } from "./keys.ts"
import { signObjectAsync, verifyObject } from "./signing.ts"
import { hasRepeatedKeys } from "./strictJson.ts"

/** Bytes that are no commit record. What they came with must not be used; put them aside with an alert. */
export class CommitMalformed extends Schema.TaggedError<CommitMalformed>()("CommitMalformed", { why: Schema.String }) {}

/** What a commit says before it is signed. */
export type CommitFields = Omit<CommitRecord, "signature">

/** A commit record as it was received. */
export interface ParsedCommit {
  readonly record: CommitRecord
  /** The stored bytes, never encoded again. */
  readonly bytes: Uint8Array
  /** SHA-256 of `bytes`: what `prev` and `seen.head` of later commits name. */
  readonly digest: string
  /** The JSON with all of its fields, those unknown here included: what the signature is over. */
  readonly json: object
}

/** With 999 hashes a record has 48 KB; the rest is room for fields of newer versions. */
export const recordMaxBytes = 256 * 1024

/** `ids` of a commit: SHA-256 of the ids of all journal events it covers, withheld ones too, in order. */
export const idsDigest = (ids: ReadonlyArray<string>): string => digestOf(joinIds(ids))

/** The signed record as it is sent and stored. Signs on a pool thread. */
export const signCommit = (fields: CommitFields, privateKey: KeyObject): Effect.Effect<Uint8Array> =>
  Effect.map(signObjectAsync(privateKey, "commit", fields), (record) => Buffer.from(canonicalJson(record)))

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
const readRecord = Schema.decodeUnknownResult(CommitRecord)

/** Read stored bytes as a commit record. Says nothing about its signature. Never throws. */
export const parseCommit = (bytes: Uint8Array): Result.Result<ParsedCommit, CommitMalformed> => {
  if (bytes.length > recordMaxBytes) return refuse(`${bytes.length} bytes, more than ${recordMaxBytes}`)
  let text: string
  let json: unknown
  try {
    text = utf8.decode(bytes)
    json = JSON.parse(text)
  } catch {
    return refuse("not JSON in UTF-8")
  }
  if (typeof json !== "object" || json === null) return refuse("not a JSON object")
  // readers that keep the first of two equal keys and readers that keep the last would verify different records
  if (hasRepeatedKeys(text, json)) return refuse("a key occurs twice")
  const record = readRecord(json)
  return Result.isFailure(record)
    ? refuse(record.failure.message)
    : Result.succeed({ record: record.success, bytes, digest: digestOf(bytes), json })
}

const refuse = (why: string) => Result.fail(new CommitMalformed({ why }))

/** Records that held, as `<digest> <key id>`: ingest, projections and heads of one process read the same bytes, the signature among them. */
const held = new Set<string>()
/** A record is read again within moments of being written; beyond, the one verified first goes. */
const heldMax = 4096

/** Whether this key (SPKI PEM) is the one the record names and signed every field of it. */
export const verifyCommit = (commit: ParsedCommit, publicPem: string): boolean => {
  const key = publicKey(publicPem)
  if (Result.isFailure(key) || key.success.id !== commit.record.key_id) return false
  const name = `${commit.digest} ${key.success.id}`
  if (held.has(name)) return true
  if (!verifyObject(publicPem, "commit", commit.json)) return false
  if (held.size >= heldMax) held.delete(held.values().next().value!)
  held.add(name)
  return true
}

/** Body of an ingest request: the commit record, then each event. Throws RangeError beyond the limits: a defect. */
export const frame = (record: Uint8Array, events: ReadonlyArray<Uint8Array>): Uint8Array => frameItems([record, ...events])

/** A commit's frame apart, as views into its bytes. A commit without events is one whose events were all withheld. */
export const unframe = (
  bytes: Uint8Array
): Result.Result<{ readonly record: Uint8Array; readonly events: ReadonlyArray<Uint8Array> }, FrameMalformed> =>
  Result.flatMap(unframeItems(bytes), ([record, ...events]) =>
    record === undefined ? Result.fail(new FrameMalformed({ why: "no commit record" })) : Result.succeed({ record, events }))
