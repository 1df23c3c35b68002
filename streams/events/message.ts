import { Schema } from "effect"
import { event } from "../EventDefinition.ts"
import { quickAppended, quickEdited } from "../quick.ts"
import { Stamp } from "../Stamp.ts"
import { OutsideId, Role, StoredContent, Timestamp } from "./fields.ts"

const written = { message_id: OutsideId, role: Role, content: StoredContent, timestamp: Timestamp }
/** The stamp of the write its author saw in this register: what this write knowingly replaces. */
const base = Schema.optionalKey(Stamp)

/** A message was added. Its place in the conversation is this stamp's. */
export const messageAppended = event("message.appended", Schema.Struct(written), quickAppended)

/** A message was written again. */
export const messageEdited = event("message.edited", Schema.Struct({ ...written, base }), quickEdited)

/** A message was removed from view. A write; a later stamp revives it. */
export const messageDeleted = event("message.deleted", Schema.Struct({ message_id: OutsideId, base }))
