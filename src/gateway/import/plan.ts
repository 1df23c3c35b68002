import type { Existing } from "../../../projections/conversations/history.ts"
import type { Head } from "../../../projections/conversations/heads.ts"
import type { Draft, Written } from "../../../streams/Backend.ts"
import { commitEventsMax } from "../../../streams/limits.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import type { Sender } from "../writes/means.ts"
import type { ImportLine, ImportMessage } from "./lines.ts"

/** A draft whose `base` is the stamp draft `after` is about to get. */
export interface PlannedDraft {
  readonly draft: Draft
  readonly after: number | undefined
}

interface ImportPlan {
  readonly drafts: ReadonlyArray<PlannedDraft>
  readonly messages: number
  readonly unchanged: number
}

/** What is there already: of the conversations by id, and of each message in the order of the lines. */
export interface Known {
  readonly heads: ReadonlyMap<string, Head>
  readonly messages: ReadonlyArray<Existing>
}

/** The last an earlier line of this body said under an id. `base`: its stamp, or the draft that will get one. */
interface Said {
  readonly role: string
  readonly content: string
  readonly base: Stamp | number
}

interface Conversation {
  title: string | null
  readonly said: Map<string, Said>
}

/**
 * What must be written so that everything in `lines` is there. Writes nothing when it already is.
 *
 * | there already              | event                                                        |
 * | -------------------------- | ------------------------------------------------------------ |
 * | nothing under the id       | `message.appended`                                           |
 * | equal role and content     | none                                                         |
 * | other content, or deleted  | `message.edited`, base = the stamp that is there             |
 * | another title              | `conversation.renamed`; `.created` where nothing was         |
 * | a deleted conversation     | `conversation.created`: an import of a backup brings it back |
 *
 * An id may come twice in one body: the later one is an edit of the earlier.
 */
export const planImport = (lines: ReadonlyArray<ImportLine>, known: Known, from: Sender): ImportPlan => {
  const drafts: Array<PlannedDraft> = []
  const conversations = new Map<string, Conversation>()
  let messages = 0
  let unchanged = 0
  for (const line of lines) {
    let conversation = conversations.get(line.conversation)
    const head = conversation === undefined ? known.heads.get(line.conversation) : { title: conversation.title, hidden: false }
    const about = aboutConversation(line, head, from)
    if (about !== undefined) drafts.push({ draft: about, after: undefined })
    conversation ??= { title: head?.title ?? null, said: new Map() }
    conversation.title = line.title ?? conversation.title
    conversations.set(line.conversation, conversation)
    for (const message of line.messages) {
      const there = known.messages[messages++]!
      const said = conversation.said.get(message.id)
      const same = said === undefined ? there.state === "same" : said.role === message.role && said.content === message.content
      if (same) unchanged++
      const base = said?.base ?? there.base ?? undefined
      if (!same || said === undefined) {
        conversation.said.set(message.id, { role: message.role, content: message.content, base: same ? base! : drafts.length })
      }
      if (!same) drafts.push(write(line.conversation, message, base, from))
    }
  }
  return { drafts, messages, unchanged }
}

const write = (conversation: string, message: ImportMessage, base: Stamp | number | undefined, from: Sender): PlannedDraft => {
  const data = { message_id: message.id, role: message.role, content: message.content, timestamp: message.timestamp }
  return {
    draft: {
      ...from,
      fact: base === undefined
        ? { type: "message.appended", data }
        : { type: "message.edited", data: typeof base === "number" ? data : { ...data, base } },
      subject: conversation,
      surface: message.surface ?? from.surface
    },
    after: typeof base === "number" ? base : undefined
  }
}

const aboutConversation = (
  line: ImportLine,
  head: { readonly title: string | null; readonly hidden: boolean } | undefined,
  from: Sender
): Draft | undefined => {
  const renamed = line.title !== undefined && line.title !== (head?.title ?? null)
  const begins = head === undefined ? renamed || line.messages.length === 0 : head.hidden
  if (!begins && !renamed) return undefined
  return {
    ...from,
    fact: {
      type: begins ? "conversation.created" : "conversation.renamed",
      data: line.title === undefined ? {} : { title: line.title }
    },
    subject: line.conversation
  }
}

/**
 * Where the batch that starts at `start` ends: at most one atomic append long, and before any draft
 * that needs a stamp this very batch will give.
 */
export const batchEnd = (drafts: ReadonlyArray<PlannedDraft>, start: number): number => {
  const limit = Math.min(drafts.length, start + commitEventsMax)
  for (let index = start + 1; index < limit; index++) {
    const after = drafts[index]!.after
    if (after !== undefined && after >= start) return index
  }
  return limit
}

/** The drafts of one batch, bases filled in from what earlier batches were given. */
export const resolve = (
  drafts: ReadonlyArray<PlannedDraft>,
  start: number,
  end: number,
  written: ReadonlyArray<Written>
): ReadonlyArray<Draft> => {
  const batch: Array<Draft> = []
  for (let index = start; index < end; index++) {
    const { after, draft } = drafts[index]!
    batch.push(
      after === undefined || draft.fact.type !== "message.edited"
        ? draft
        : { ...draft, fact: { type: "message.edited", data: { ...draft.fact.data, base: written[after]!.stamp } } }
    )
  }
  return batch
}
