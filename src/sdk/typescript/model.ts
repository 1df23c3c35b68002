import { compare } from "../../../streams/compareStamps.ts"
import type { Reached } from "./api.ts"
import type { Stamp } from "../../../streams/Stamp.ts"

/** What a surface writes. The stamp and the id are given when it is kept. */
export type Fact =
  | { readonly type: "conversation.created" | "conversation.renamed" | "conversation.deleted"; readonly data: { readonly title?: string } }
  | { readonly type: "message.appended"; readonly data: Words }
  | { readonly type: "message.edited"; readonly data: Words & { readonly base?: Stamp } }
  | { readonly type: "message.deleted"; readonly data: { readonly message_id: string; readonly base?: Stamp } }

interface Words {
  readonly message_id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
}

/** One write made here, as it was written: the gate comes before it leaves. */
export interface OwnEvent {
  /** Its place in this surface's journal, from 1. */
  readonly seq: number
  readonly id: string
  readonly subject: string
  readonly surface: string
  readonly stamp: Stamp
  readonly fact: Fact
  /** Why it never leaves: a backend refused it for good. */
  readonly aside?: string
}

export interface KnownMessage {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
  readonly stamp: Stamp
  /** The stamp of its first append: messages are read in this order. */
  readonly place: Stamp
  readonly deleted: boolean
  readonly reached: Reached
}

export interface KnownConversation {
  /** The name it has on this surface. */
  readonly id: string
  readonly title: string | null
  readonly titleStamp: Stamp | null
  /** The greatest stamp in it. */
  readonly stamp: Stamp
  readonly deletedStamp: Stamp | null
  readonly surfaces: ReadonlyArray<string>
  /** By the id each has in the log. */
  readonly messages: Readonly<Record<string, KnownMessage>>
}

/** A conversation as `POST /sync` answers it, with only the messages that changed. */
export interface Change {
  readonly conversation_id: string
  readonly title: string | null
  readonly title_stamp: Stamp | null
  readonly stamp: Stamp
  readonly deleted?: true
  readonly surfaces: ReadonlyArray<string>
  readonly messages: ReadonlyArray<{
    readonly id: string
    readonly deleted?: true
    readonly role?: string
    readonly content?: string
    readonly timestamp?: string
    readonly surface: string
    readonly stamp: Stamp
    readonly place: Stamp
    readonly tier: "local" | "hosted" | "everywhere"
  }>
}

const later = (a: Stamp | null, b: Stamp | null): Stamp | null => a === null ? b : b === null ? a : compare(a, b) >= 0 ? a : b
export const further = (a: Reached, b: Reached): Reached => order.indexOf(a) >= order.indexOf(b) ? a : b
const order: ReadonlyArray<Reached> = ["here", "local", "hosted", "everywhere"]

/** Hidden while its deletion is the greatest stamp in it. */
export const isHidden = ({ deletedStamp, stamp }: KnownConversation): boolean => deletedStamp !== null && compare(deletedStamp, stamp) >= 0

/** The messages a reader sees, in reading order. */
export const visible = ({ messages }: KnownConversation): ReadonlyArray<KnownMessage> =>
  Object.entries(messages).filter(([, { deleted }]) => !deleted)
    .sort(([idA, a], [idB, b]) => compare(a.place, b.place) || (idA < idB ? -1 : 1))
    .map(([, message]) => message)

/** Take in a write made here. `shared`: what an id is called in the log. */
export const withOwn = (held: KnownConversation | undefined, event: OwnEvent, shared: (id: string) => string): KnownConversation => {
  const { fact, stamp, subject, surface } = event
  const before = held ?? { id: subject, title: null, titleStamp: null, stamp, deletedStamp: null, surfaces: [], messages: {} }
  const about = { ...before, stamp: later(before.stamp, stamp)!, surfaces: [...new Set([...before.surfaces, surface])].sort() }
  switch (fact.type) {
    case "conversation.created":
    case "conversation.renamed":
      return fact.data.title === undefined || compare(stamp, before.titleStamp ?? { ...stamp, lamport: 0 }) < 0 ? about : { ...about, title: fact.data.title, titleStamp: stamp }
    case "conversation.deleted":
      return { ...about, deletedStamp: later(before.deletedStamp, stamp) }
    default: {
      const key = shared(fact.data.message_id)
      const known = before.messages[key]
      const deleted = fact.type === "message.deleted"
      const words = fact.type === "message.deleted" ? { role: known?.role ?? "", content: "", timestamp: known?.timestamp ?? stamp.time } : fact.data
      const message: KnownMessage = {
        id: fact.data.message_id, role: words.role, content: words.content, timestamp: words.timestamp, surface, stamp, deleted,
        place: known?.place ?? stamp, reached: "here"
      }
      return { ...about, messages: { ...before.messages, [key]: message } }
    }
  }
}

/**
 * Take in what a backend knows. Each message is a register of its own: the greater stamp shows. Of one write in two forms
 * (redacted on hosted, as written here) the one that is here stays, and only how far it has come is learnt.
 */
export const withChange = (held: KnownConversation | undefined, change: Change, side: "local" | "hosted", shared: (id: string) => string): KnownConversation => {
  const before: KnownConversation = held ?? { id: change.conversation_id, title: null, titleStamp: null, stamp: change.stamp, deletedStamp: null, surfaces: [], messages: {} }
  const messages: Record<string, KnownMessage> = { ...before.messages }
  for (const offered of change.messages) {
    const key = shared(offered.id)
    const known = messages[key]
    const reached: Reached = offered.tier === "local" && side === "hosted" ? "hosted" : offered.tier
    const sign = known === undefined ? 1 : compare(offered.stamp, known.stamp)
    if (known !== undefined && sign <= 0) {
      if (sign === 0) messages[key] = { ...known, reached: further(known.reached, reached) }
      continue
    }
    messages[key] = {
      id: known?.id ?? offered.id, role: offered.role ?? known?.role ?? "", content: offered.content ?? "", timestamp: offered.timestamp ?? offered.stamp.time,
      surface: offered.surface, stamp: offered.stamp, place: offered.place, deleted: offered.deleted === true, reached
    }
  }
  const newTitle = change.title_stamp !== null && (before.titleStamp === null || compare(change.title_stamp, before.titleStamp) > 0)
  return {
    id: before.id,
    title: newTitle ? change.title : before.title,
    titleStamp: newTitle ? change.title_stamp : before.titleStamp,
    stamp: later(before.stamp, change.stamp)!,
    deletedStamp: change.deleted === true ? later(before.deletedStamp, change.stamp) : before.deletedStamp,
    surfaces: [...new Set([...before.surfaces, ...change.surfaces])].sort(),
    messages
  }
}
