import { HashMap, Option } from "effect"
import type { FactOf } from "../../streams/catalog.ts"
import { type Opened, stampOf } from "../../streams/Envelope.ts"
import { compare, type Stamp } from "../../streams/Stamp.ts"
import type { Said, State } from "./apply.ts"
import { baseOf, bytewise, greatest, inConflict, later, least, order, type Write } from "./registers.ts"

type MessageFact = FactOf<"message.appended" | "message.edited" | "message.deleted">
type ConversationFact = FactOf<"conversation.created" | "conversation.renamed" | "conversation.deleted">

/** A write with everything known of it. */
export interface FullWrite<F> extends Write {
  readonly fact: F
  readonly opened: Opened
  readonly said: Said
  /** It is on this machine only, for good. */
  readonly stays: boolean
}

export interface MessageView {
  /** Its id here, and in the log. */
  readonly id: string
  readonly shared: string
  readonly shown: FullWrite<MessageFact>
  readonly deleted: boolean
  /** The stamp that gives its place in the conversation. */
  readonly place: Stamp
  /** Every write, newest first. */
  readonly history: ReadonlyArray<FullWrite<MessageFact>>
  /** Writes in a conflict that nothing has settled yet. */
  readonly contested: ReadonlySet<string>
}

export interface ConversationView {
  readonly id: string
  readonly shared: string
  readonly hidden: boolean
  readonly latest: FullWrite<MessageFact | ConversationFact>
  readonly title: FullWrite<ConversationFact> | undefined
  readonly surfaces: ReadonlySet<string>
  /** In reading order, deleted ones included. */
  readonly messages: ReadonlyArray<MessageView>
}

/**
 * What a state means: every conversation with at least one write, by its id in the log.
 * `withheld: false` leaves out what stays on this machine: the shared form.
 */
export const view = (state: State, options: { readonly withheld: boolean } = { withheld: true }): ReadonlyMap<string, ConversationView> => {
  const names = aliases(state)
  const expired = expirations(state, names)
  const grouped = new Map<string, { own: Array<FullWrite<ConversationFact>>; messages: Map<string, Array<FullWrite<MessageFact>>> }>()
  for (const [id, opened] of state.events) {
    const fact = opened.fact
    if (!isConversation(fact) && !isMessage(fact)) continue
    const said = Option.getOrElse(HashMap.get(state.said, id), (): Said => ({}))
    const key = names.conversation(opened.envelope.subject)
    const left = said.seq !== undefined && said.seq < (expired.get(key) ?? 0)
    // what is withheld stays on this machine, and only here
    if (left && (said.withheld !== true || !options.withheld)) continue
    if (!options.withheld && said.withheld === true && said.seq === undefined) continue
    const stays = said.withheld === true && (left || said.seq === undefined)
    const group = grouped.get(key) ?? { own: [], messages: new Map<string, Array<FullWrite<MessageFact>>>() }
    grouped.set(key, group)
    if (isConversation(fact)) {
      group.own.push({ ...about(opened), value: undefined, base: undefined, fact, opened, said, stays })
    } else {
      const message = names.message(key, fact.data.message_id)
      group.messages.set(message, [...group.messages.get(message) ?? [], fullWrite(fact, opened, said, stays)])
    }
  }
  return new Map([...grouped].map(([key, { messages, own }]) => [key, conversation(key, names, own, messages)] as const))
}

const conversation = (
  key: string,
  names: Names,
  own: ReadonlyArray<FullWrite<ConversationFact>>,
  messages: ReadonlyMap<string, ReadonlyArray<FullWrite<MessageFact>>>
): ConversationView => {
  const all = [...own, ...[...messages.values()].flat()]
  const latest = greatest<FullWrite<MessageFact | ConversationFact>>(all)!
  return {
    id: names.localOf(key),
    shared: key,
    hidden: latest.fact.type === "conversation.deleted",
    latest,
    // a conversation made without a title says nothing about its title; renamed to nothing clears it
    title: greatest(own.filter(({ fact }) => fact.type === "conversation.renamed" || (fact.type === "conversation.created" && fact.data.title !== undefined))),
    surfaces: new Set(all.map(({ opened }) => opened.envelope.surface)),
    messages: [...messages].map(([id, writes]) => message(names.localOf(id, key), id, writes))
      .sort((a, b) => compare(a.place, b.place) || bytewise(a.shared, b.shared))
  }
}

const message = (id: string, shared: string, writes: ReadonlyArray<FullWrite<MessageFact>>): MessageView => {
  const shown = greatest(writes)!
  const appends = writes.filter(({ fact }) => fact.type === "message.appended")
  return {
    id,
    shared,
    shown,
    deleted: shown.fact.type === "message.deleted",
    place: (least(appends) ?? least(writes))!.stamp,
    history: [...writes].sort((a, b) => order(b, a)),
    contested: contested(writes)
  }
}

/** By definition: both writes of every pair in conflict, unless some write's base is at least both. */
const contested = (writes: ReadonlyArray<FullWrite<MessageFact>>): ReadonlySet<string> => {
  const inOrder = [...writes].sort(order)
  const settled = writes.reduce<Stamp | undefined>((held, { base }) => later(held, base), undefined)
  const out = new Set<string>()
  inOrder.forEach((greater, i) => {
    if (settled !== undefined && compare(greater.stamp, settled) <= 0) return
    for (const smaller of inOrder.slice(0, i)) {
      if (inConflict(smaller, greater)) out.add(smaller.eventId).add(greater.eventId)
    }
  })
  return out
}

const about = (opened: Opened) => ({ eventId: opened.envelope.id, stamp: stampOf(opened.envelope) })

const fullWrite = (fact: MessageFact, opened: Opened, said: Said, stays: boolean): FullWrite<MessageFact> => ({
  ...about(opened),
  base: fact.type === "message.appended" ? undefined : baseOf(fact.data.base, stampOf(opened.envelope)),
  value: fact.type === "message.deleted" ? "deleted" : JSON.stringify([said.shared?.role ?? fact.data.role, said.shared?.content ?? fact.data.content]),
  fact,
  opened,
  said,
  stays
})

/** The map between what things are called here and in the log, learnt from our own events' shared forms. */
interface Names {
  readonly conversation: (id: string) => string
  readonly message: (conversation: string, id: string) => string
  readonly localOf: (shared: string, conversation?: string) => string
}

const aliases = (state: State): Names => {
  const shared = new Map<string, string>()
  const local = new Map<string, string>()
  const learn = (scope: string, here: string, there: string | undefined) => {
    if (there === undefined || there === here) return
    shared.set(JSON.stringify([scope, here]), there)
    local.set(JSON.stringify([scope, there]), here)
  }
  const conversation = (id: string) => shared.get(JSON.stringify(["", id])) ?? id
  for (const [id, said] of state.said) {
    const opened = Option.getOrUndefined(HashMap.get(state.events, id))
    if (opened !== undefined) learn("", opened.envelope.subject, said.shared?.conversation)
  }
  for (const [id, said] of state.said) {
    const opened = Option.getOrUndefined(HashMap.get(state.events, id))
    if (opened !== undefined && isMessage(opened.fact)) {
      learn(conversation(opened.envelope.subject), opened.fact.data.message_id, said.shared?.message_id)
    }
  }
  return {
    conversation,
    message: (key, id) => shared.get(JSON.stringify([key, id])) ?? id,
    localOf: (there, scope = "") => local.get(JSON.stringify([scope, there])) ?? there
  }
}

/** Below which place in the log each conversation's events have left it. */
const expirations = (state: State, names: Names): ReadonlyMap<string, number> => {
  const expired = new Map<string, number>()
  for (const [, { envelope, fact }] of state.events) {
    if (fact.type !== "conversation.expired") continue
    const key = names.conversation(envelope.subject)
    expired.set(key, Math.max(expired.get(key) ?? 0, fact.data.before_seq))
  }
  return expired
}

const isConversation = (fact: Opened["fact"]): fact is ConversationFact =>
  fact.type === "conversation.created" || fact.type === "conversation.renamed" || fact.type === "conversation.deleted"

const isMessage = (fact: Opened["fact"]): fact is MessageFact =>
  fact.type === "message.appended" || fact.type === "message.edited" || fact.type === "message.deleted"
