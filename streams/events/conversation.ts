import { Schema } from "effect"
import { event } from "../EventDefinition.ts"
import { Sequence } from "../ids.ts"
import { StoredTitle } from "./fields.ts"

/** A conversation began. A conversation also exists from its first message on, without this. */
export const conversationCreated = event("conversation.created", Schema.Struct({ title: Schema.optionalKey(StoredTitle) }))

/** The title register was written. */
export const conversationRenamed = event("conversation.renamed", Schema.Struct({ title: Schema.optionalKey(StoredTitle) }))

/** Hidden while this is the greatest stamp in the conversation; a later write brings it back. */
export const conversationDeleted = event("conversation.deleted", Schema.Struct({ title: Schema.optionalKey(StoredTitle) }))

/** What was there: its place in the log, and its event's id where it could be read. */
const Purged = Schema.Tuple([Sequence, Schema.NullOr(Schema.String.check(Schema.isUUID()))])

/**
 * Retention removed this conversation's events before `before_seq` from the log. By hosted. Readers excuse exactly the
 * places in `purged`; an event of the first version without it excuses all before `before_seq`.
 */
export const conversationExpired = event("conversation.expired", Schema.Struct({ before_seq: Sequence, purged: Schema.optionalKey(Schema.Array(Purged)) }))

/** Reserved: a conversation as it stands, so that new devices need not read its history. */
export const conversationSnapshot = event("conversation.snapshot", Schema.Record(Schema.String, Schema.Unknown))
