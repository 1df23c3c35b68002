import { Schema } from "effect"
import { Author, Digest, Sequence, Time } from "./ids.ts"
import { commitEventsMax } from "./limits.ts"

/** What a chain starts from: the `prev` of an author's first commit. */
export const genesis = ""
const Link = Schema.Union([Digest, Schema.Literal(genesis)])

/**
 * One signed, atomic append by one author: stored right after its events, as the bytes that were sent.
 *
 * `journal`, `from`, `to`: the journal and the sequences covered, withheld and set-aside events included.
 * `ids`: SHA-256 of the ids of all journal events from..to, joined by "\n".
 * `hashes`: SHA-256 of each sent event's stored bytes, in order; may be fewer than the range.
 * `prev`: SHA-256 of this author's previous record as stored, signature included.
 * `seen`: how far its author's view of the log went, so that forked views show.
 * `signature`: RSA-PSS over "maestra-commit-v1\0" + RFC 8785 of the rest, fields unknown here included.
 */
export const CommitRecord = Schema.Struct({
  author: Author,
  key_id: Digest,
  sync_id: Schema.NonEmptyString.check(Schema.isMaxLength(128)),
  journal: Schema.NonEmptyString.check(Schema.isMaxLength(64)),
  from: Sequence.check(Schema.isGreaterThan(0)),
  to: Sequence.check(Schema.isGreaterThan(0)),
  ids: Digest,
  hashes: Schema.Array(Digest).check(Schema.isMaxLength(commitEventsMax)),
  prev: Link,
  seen: Schema.Struct({ log_seq: Sequence, head: Link }),
  time: Time,
  signature: Schema.NonEmptyString.check(Schema.isMaxLength(512))
})
export type CommitRecord = typeof CommitRecord.Type
