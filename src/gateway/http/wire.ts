import { Schema } from "effect"
import { AuditEntry } from "../../../streams/Audit.ts"
import { Identity } from "../../../streams/events/peer.ts"
import { Content, OutsideId, Role, Timestamp, Title } from "../../../streams/events/fields.ts"
import { nameMaxLength } from "../../../streams/limits.ts"
import { Settings } from "../../../streams/events/settings.ts"
import { Stamp } from "../../../streams/Stamp.ts"
import { Verdict } from "../../../streams/Verdict.ts"

/** The JSON shapes of the contract; docs/PROTOCOL.md says what they mean. */

/** Entries of a page: a screen or two; a caller who wants all uses the cursor. */
export const pageLimitDefault = 100
/** How long a write waits to reach a tier where its author does not say. */
export const waitMillisDefault = 10_000
/** And at most: an hour, for scripts that wait until a device comes back from a tunnel. */
export const waitMillisMax = 3_600_000
/** `challenge` of `/identity`, characters of ASCII or bytes of UTF-8. */
export const challengeMaxBytes = 256

export const Surface = Schema.NonEmptyString.check(Schema.isMaxLength(nameMaxLength))
export const Tier = Schema.Literals(["local", "hosted", "everywhere"])

/** What others see, where redaction made it different. */
const shared = <F extends Schema.Struct.Fields>(fields: F) => ({ shared: Schema.optionalKey(Schema.Struct(fields)) })

const withheld = Schema.optionalKey(Schema.String).annotate({ description: "why what was written stays on the machine it was written on: `surface` (a privacy setting), `expired` (retention took it from everywhere else), or what hosted has against it" })

export const Message = Schema.Struct({
  id: Schema.String,
  role: Schema.String,
  content: Schema.String,
  timestamp: Schema.String,
  surface: Schema.String,
  source_backend: Schema.String,
  source_backend_id: Schema.String,
  version: Schema.Int.annotate({ description: "lamport of the write that is shown" }),
  tier: Tier,
  ...shared({ content: Schema.String }),
  conflicted: Schema.optionalKey(Schema.Literal(true)),
  withheld
}).annotate({ identifier: "Message" })

const summary = {
  conversation_id: Schema.String,
  title: Schema.NullOr(Schema.String),
  version: Schema.Int.annotate({ description: "greatest lamport in the conversation; its ETag" }),
  message_count: Schema.Int,
  last_modified: Schema.String,
  source_backend: Schema.String,
  source_backend_id: Schema.String,
  surfaces: Schema.Array(Schema.String),
  ...shared({ title: Schema.String })
}
export const ConversationSummary = Schema.Struct(summary).annotate({ identifier: "ConversationSummary" })

export const Conversation = Schema.Struct({ ...summary, messages: Schema.Array(Message) }).annotate({ identifier: "Conversation" })

/** What shows and holds the words that were asked for. */
export const Hit = Schema.Struct({
  conversation_id: Schema.String,
  title: Schema.NullOr(Schema.String).annotate({ description: "the conversation's" }),
  message_id: Schema.NullOr(Schema.String).annotate({ description: "null: the title itself" }),
  role: Schema.NullOr(Schema.String),
  timestamp: Schema.String,
  excerpt: Schema.String,
  marks: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int])).annotate({ description: "where in the excerpt the words are, [from, to) in UTF-16 units" })
}).annotate({ identifier: "Hit" })

/** One write to a message, shown or not. */
export const Write = Schema.Struct({
  event_id: Schema.String,
  stamp: Stamp,
  type: Schema.String,
  role: Schema.NullOr(Schema.String),
  content: Schema.NullOr(Schema.String),
  timestamp: Schema.NullOr(Schema.String),
  surface: Schema.String,
  source_backend: Schema.String,
  source_backend_id: Schema.String,
  base: Schema.NullOr(Stamp),
  current: Schema.Boolean,
  log_seq: Schema.NullOr(Schema.Int),
  ...shared({ content: Schema.String }),
  withheld
}).annotate({ identifier: "Write" })

export const Reached = Schema.Struct({
  tier: Tier,
  missing: Schema.Array(Schema.String)
}).annotate({ identifier: "Reached", description: "how far a write has come; peers whose report is missing" })

const recorded = { conversation_id: Schema.String, event_id: Schema.String, stamp: Stamp, reached: Reached }
export const MessageWritten = Schema.Struct({ ...recorded, message: Message }).annotate({ identifier: "MessageWritten" })
export const Recorded = Schema.Struct(recorded).annotate({ identifier: "Recorded" })

export const Conflict = Schema.Struct({
  conversation_id: Schema.String,
  message_id: Schema.String,
  shown: Write,
  losing: Schema.Array(Write)
}).annotate({ identifier: "Conflict" })

export const NewMessage = Schema.Struct({
  id: Schema.optionalKey(OutsideId),
  role: Role,
  content: Content,
  timestamp: Schema.optionalKey(Timestamp),
  surface: Schema.optionalKey(Surface)
}).annotate({ identifier: "NewMessage", examples: [{ id: "m1", role: "user", content: "buy milk" }] })

export const NewConversation = Schema.Struct({
  conversation_id: Schema.optionalKey(OutsideId),
  title: Schema.optionalKey(Title),
  surface: Schema.optionalKey(Surface),
  messages: Schema.optionalKey(Schema.Array(NewMessage)).annotate({ description: "what it begins with, at most 100" })
}).annotate({ identifier: "NewConversation", examples: [{ conversation_id: "groceries", title: "Groceries", surface: "web" }] })

export const Rename = Schema.Struct({ title: Title, surface: Schema.optionalKey(Surface) }).annotate({ identifier: "Rename", examples: [{ title: "Shopping" }] })

export const EditMessage = Schema.Struct({
  content: Content,
  role: Schema.optionalKey(Role),
  timestamp: Schema.optionalKey(Timestamp),
  surface: Schema.optionalKey(Surface)
}).annotate({ identifier: "EditMessage", examples: [{ content: "buy oat milk" }] })

export const Restore = Schema.Struct({
  event_id: Schema.String,
  surface: Schema.optionalKey(Surface)
}).annotate({ identifier: "Restore" })

/** One line of `/import` and `/export` as files have it. Other fields are ignored. */
export const ImportConversation = Schema.Struct({
  conversation_id: OutsideId,
  title: Schema.optionalKey(Title),
  messages: Schema.Array(Schema.Struct({
    id: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
    role: Schema.optionalKey(Role),
    author: Schema.optionalKey(Role),
    content: Schema.optionalKey(Content),
    text: Schema.optionalKey(Content),
    timestamp: Schema.optionalKey(Schema.Union([Timestamp, Schema.Finite])),
    ts: Schema.optionalKey(Schema.Union([Timestamp, Schema.Finite])),
    surface: Schema.optionalKey(Surface)
  }))
}).annotate({ identifier: "ImportConversation" })

export const Imported = Schema.Struct({
  conversations: Schema.Int.annotate({ description: "lines taken" }),
  messages: Schema.Int,
  events: Schema.Int.annotate({ description: "written; 0 when all of it was there already" }),
  unchanged: Schema.Int.annotate({ description: "messages that were there already with equal content" }),
  invalid: Schema.Array(Schema.Struct({ line: Schema.Int, why: Schema.String }))
}).annotate({ identifier: "Imported" })

/** A message in a sync: as it is offered (`version` above what it replaces), or as it is now. */
export const SyncMessage = Schema.Struct({
  id: OutsideId,
  role: Schema.optionalKey(Role),
  content: Schema.optionalKey(Content),
  timestamp: Schema.optionalKey(Timestamp),
  surface: Schema.optionalKey(Surface),
  source_backend: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.Int),
  deleted: Schema.optionalKey(Schema.Literal(true))
}).annotate({ identifier: "SyncMessage" })

/** Body of `POST /sync` (docs/PROTOCOL.md). `signature`: PSS over "maestra-sync-v1\0" + RFC 8785 of the rest. */
export const SyncPayload = Schema.Struct({
  sync_id: Schema.String,
  timestamp: Schema.String,
  conversations: Schema.optionalKey(Schema.Array(Schema.Struct({
    conversation_id: OutsideId,
    version: Schema.optionalKey(Schema.Int),
    title: Schema.optionalKey(Title),
    surfaces: Schema.optionalKey(Schema.Array(Surface)),
    deleted: Schema.optionalKey(Schema.Literal(true)),
    messages: Schema.optionalKey(Schema.Array(SyncMessage))
  }))),
  commits: Schema.optionalKey(Schema.Array(Schema.Struct({ record: Schema.String, events: Schema.Array(Schema.String) }))),
  cursor: Schema.optionalKey(Schema.String),
  signature: Schema.String
}).annotate({ identifier: "SyncPayload" })

const changedMessage = {
  id: Schema.String,
  deleted: Schema.optionalKey(Schema.Literal(true)),
  role: Schema.optionalKey(Schema.String),
  content: Schema.optionalKey(Schema.String),
  timestamp: Schema.optionalKey(Schema.String),
  surface: Schema.String,
  source_backend: Schema.String,
  source_backend_id: Schema.String,
  version: Schema.Int,
  stamp: Stamp,
  place: Stamp.annotate({ description: "stamp of its first append; messages are read in this order, then by id" }),
  tier: Tier
}

/** A conversation with only the messages that changed. */
export const Changed = Schema.Struct({
  conversation_id: Schema.String,
  title: Schema.NullOr(Schema.String),
  title_stamp: Schema.NullOr(Stamp),
  version: Schema.Int,
  stamp: Stamp,
  deleted: Schema.optionalKey(Schema.Literal(true)),
  surfaces: Schema.Array(Schema.String),
  last_modified: Schema.String,
  source_backend: Schema.String,
  source_backend_id: Schema.String,
  messages: Schema.Array(Schema.Struct(changedMessage))
}).annotate({ identifier: "Changed" })

export const Synced = Schema.Struct({
  status: Schema.Literal("synced"),
  acked_sync_id: Schema.String,
  verdicts: Schema.Array(Verdict).annotate({ description: "one per commit, in order" }),
  conflicts: Schema.Array(Conflict),
  next_sync_in_ms: Schema.Int.annotate({ description: "0: there is more, ask at once" }),
  changes: Schema.Array(Changed),
  cursor: Schema.String,
  settings: Settings.annotate({ description: "what may leave; companions gate by it" }),
  aliases: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)).annotate({ description: "ids of the payload that have another name here" })
}).annotate({ identifier: "Synced" })

export const Digest = Schema.Struct({
  conversations: Schema.Int,
  messages: Schema.Int,
  digest: Schema.String.annotate({ description: "SHA-256, lower-case hex, over what a reader sees" })
}).annotate({ identifier: "Digest" })

export const Health = Schema.Struct({
  status: Schema.Literal("ok"),
  backend_id: Schema.String,
  backend_type: Schema.String,
  version: Schema.String
}).annotate({ identifier: "Health" })

export const Proof = Schema.Struct({
  identity: Identity,
  challenge: Schema.NullOr(Schema.String),
  proof: Schema.NullOr(Schema.String),
  signature: Schema.NullOr(Schema.String).annotate({ description: "the same as proof" })
}).annotate({ identifier: "Proof" })

/** A line of a long piece of work. The last one has `done: true`; without it the work broke off. */
export const ProgressLine = Schema.Struct({
  done: Schema.Boolean,
  at: Schema.Finite,
  of: Schema.Finite,
  result: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
}).annotate({ identifier: "Progress" })

/** `next_cursor`: where the next page begins, also where nothing is yet. */
export const AuditAnswer = Schema.Struct({
  entries: Schema.Array(AuditEntry),
  next_cursor: Schema.String
}).annotate({ identifier: "Audit" })

export const Facts = Schema.Record(Schema.String, Schema.Unknown)

/** What a page's session that is ended answers, and which. */
export const SessionEnded = Schema.Struct({ status: Schema.Literal("ended") }).annotate({ identifier: "SessionEnded" })
export const endQuery = { all: Schema.optionalKey(Schema.Literal("true")).annotate({ description: "every page's, and not only the one that asks" }) }
