import { v5, v7 } from "uuid"
import { canonicalJson } from "../../security/canonical.ts"
import type { Draft } from "../../../streams/Backend.ts"
import { simpleClientNamespace } from "../../../streams/ids.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import type { OfferedConversation, OfferedMessage } from "./payload.ts"

/** One write of a message's history, as far as merging asks. Newest first in lists. */
export interface KnownWrite {
  readonly event_id: string
  readonly stamp: Stamp
  readonly role: string | null
  readonly content: string | null
}

/** Who sends: the companion that the gateway writes for. */
export interface SimpleClient {
  readonly backendId: string
  /** Surface of what names none. */
  readonly surface: string
  readonly now: string
}

/** The event id of what a simple client sent: the same request gives the same id, on any gateway. */
export const eventIdOf = (client: string, conversation: string, message: string | null, version: number): string =>
  v5(canonicalJson([client, conversation, message, version]), simpleClientNamespace)

/**
 * What must be written for one offered message, or nothing. `history`: every write of it, newest first; empty where
 * nobody knows it.
 *
 * | there                                                  | written                                      |
 * | ------------------------------------------------------ | -------------------------------------------- |
 * | nothing                                                | `message.appended`                           |
 * | the same words                                         | nothing                                      |
 * | the same words at the version the client has           | nothing: others have written since           |
 * | this very request, by its event id                     | nothing: it came twice                       |
 * | anything else                                          | `message.edited`, base = the newest below the offered version |
 *
 * What others wrote at or above the offered version was not seen: it stays, listed as a conflict.
 */
export const mergeMessage = (client: SimpleClient, conversation: OfferedConversation, message: OfferedMessage, history: ReadonlyArray<KnownWrite>): Draft | undefined => {
  const { id: message_id, version, words } = message
  const says = (write: KnownWrite | undefined): boolean =>
    write !== undefined && (words === undefined ? write.content === null : write.content === words.content && write.role === words.role)
  const [shown] = history
  if (shown === undefined && words === undefined) return undefined
  const id = eventIdOf(client.backendId, conversation.id, message_id, version)
  const sameId = history.find(({ event_id }) => event_id === id)
  if (says(shown) || says(history.find(({ stamp }) => stamp.lamport <= version)) || says(sameId)) return undefined
  // a client that did not raise its version: its words are kept, unless they came before
  if (sameId !== undefined && history.some(says)) return undefined
  const base = history.find(({ stamp }) => stamp.lamport < version)?.stamp
  const about = {
    id: sameId === undefined ? id : v7(),
    subject: conversation.id,
    surface: message.surface ?? conversation.surface ?? client.surface,
    via: client.backendId
  }
  const seen = base === undefined ? {} : { base }
  if (words === undefined) return { ...about, fact: { type: "message.deleted", data: { message_id, ...seen } } }
  const data = { message_id, role: words.role, content: words.content, timestamp: words.timestamp ?? client.now }
  return { ...about, fact: shown === undefined ? { type: "message.appended", data } : { type: "message.edited", data: { ...data, ...seen } } }
}

/**
 * What must be written for the conversation itself. Its title, or its deletion, counts where the client's version is
 * above all that is there: with others' writes in between, theirs stand.
 */
export const mergeConversation = (client: SimpleClient, offered: OfferedConversation, head: { readonly version: number; readonly title: string | null; readonly hidden: boolean } | undefined): Draft | undefined => {
  const about = { id: eventIdOf(client.backendId, offered.id, null, offered.version), subject: offered.id, surface: offered.surface ?? client.surface, via: client.backendId }
  if (offered.deleted) return head !== undefined && !head.hidden && offered.version > head.version ? { ...about, fact: { type: "conversation.deleted", data: {} } } : undefined
  const titled = offered.title === undefined ? {} : { title: offered.title }
  if (head === undefined) return offered.title !== undefined || offered.messages.length === 0 ? { ...about, fact: { type: "conversation.created", data: titled } } : undefined
  if (offered.title === undefined || offered.title === head.title) return undefined
  return head.title === null || offered.version > head.version ? { ...about, fact: { type: "conversation.renamed", data: titled } } : undefined
}
