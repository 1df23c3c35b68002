import type { Draft, Written } from "../../../streams/Backend.ts"
import { commitEventsMax } from "../../../streams/limits.ts"
import type { Stamp } from "../../../streams/Stamp.ts"
import type { ImportLine } from "./lines.ts"

/** What is there already under an id. `stamp` is a number while the write is itself a draft of this plan: its index. */
export interface KnownMessage {
  readonly role: string
  readonly content: string
  readonly deleted: boolean
  readonly stamp: Stamp | number
}

export interface KnownConversation {
  title: string | null
  /** Deleted, and nothing written since. */
  hidden: boolean
  readonly messages: Map<string, KnownMessage>
}

/** A draft whose `base` is the stamp draft `after` is about to get. */
export interface PlannedDraft {
  readonly draft: Draft
  readonly after: number | undefined
}

export interface ImportPlan {
  readonly drafts: ReadonlyArray<PlannedDraft>
  readonly messages: number
  readonly unchanged: number
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
 * `known` is brought up to date on the way, so an id may come twice in one body: the later one is an edit.
 */
export const planImport = (
  lines: ReadonlyArray<ImportLine>,
  known: Map<string, KnownConversation>,
  surface: string
): ImportPlan => {
  const drafts: Array<PlannedDraft> = []
  let messages = 0
  let unchanged = 0
  for (const line of lines) {
    const found = known.get(line.conversation)
    const conversation = found ?? { title: null, hidden: false, messages: new Map<string, KnownMessage>() }
    if (found === undefined) known.set(line.conversation, conversation)
    const about = aboutConversation(line, found, surface)
    if (about !== undefined) drafts.push({ draft: about, after: undefined })
    conversation.title = line.title ?? conversation.title
    conversation.hidden = false
    for (const message of line.messages) {
      messages++
      const there = conversation.messages.get(message.id)
      if (there !== undefined && !there.deleted && there.content === message.content && there.role === message.role) {
        unchanged++
        continue
      }
      const written = { message_id: message.id, role: message.role, content: message.content, timestamp: message.timestamp }
      const from = { subject: line.conversation, surface: message.surface ?? surface }
      conversation.messages.set(message.id, { role: message.role, content: message.content, deleted: false, stamp: drafts.length })
      drafts.push(
        there === undefined
          ? { draft: { ...from, fact: { type: "message.appended", data: written } }, after: undefined }
          : typeof there.stamp === "number"
          ? { draft: { ...from, fact: { type: "message.edited", data: written } }, after: there.stamp }
          : { draft: { ...from, fact: { type: "message.edited", data: { ...written, base: there.stamp } } }, after: undefined }
      )
    }
  }
  return { drafts, messages, unchanged }
}

const aboutConversation = (line: ImportLine, found: KnownConversation | undefined, surface: string): Draft | undefined => {
  const renamed = line.title !== undefined && line.title !== (found?.title ?? null)
  const begins = found === undefined ? renamed || line.messages.length === 0 : found.hidden
  if (!begins && !renamed) return undefined
  return {
    fact: {
      type: begins ? "conversation.created" : "conversation.renamed",
      data: line.title === undefined ? {} : { title: line.title }
    },
    subject: line.conversation,
    surface
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
