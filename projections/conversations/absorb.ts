import { Effect } from "effect"
import { stampOf } from "../../streams/Envelope.ts"
import { compare } from "../../streams/Stamp.ts"
import type { Batch, NewEvent } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import { intern } from "../words.ts"
import { type Again, again, claimsOf, settleConversationNames, settleMessageNames, settlePlaced } from "./aliases.ts"
import { recheck } from "./conflicts.ts"
import { type Loaded, loadConversations, loadMessages, scoped } from "./load.ts"
import { refold } from "./refold.ts"
import { baseOf } from "./registers.ts"
import { blankMessage, type ConversationRow, type MessageRow, take, touch, type Written } from "./rows.ts"
import { expire, markWithheld } from "./settle.ts"
import { kinds } from "./tables.ts"
import { insertWrites, putConversations, putMessages, textsOf, type Write, type WriteFact } from "./write.ts"

/**
 * Take a batch into the tables: read the rows it touches, fold in memory with `take`, write them back, one statement
 * per table. Only what rows alone cannot decide (conflicts, ids that merge, retention) goes to history, afterwards.
 */
export const absorb = Effect.fnUntraced(function*(tx: Transaction, batch: Batch) {
  const later = again()
  if (batch.events.length > 0) yield* absorbWrites(tx, batch.events, later)
  if (batch.placed.length > 0) yield* settlePlaced(tx, batch.placed, later)
  if (batch.withheld.length > 0) markWithheld(tx, batch.withheld)
  yield* expire(tx, batch.events, later)
  yield* refold(tx, later)
})

const absorbWrites = Effect.fnUntraced(function*(tx: Transaction, events: ReadonlyArray<NewEvent>, later: Again) {
  const writing = events.filter(({ opened }) => Object.hasOwn(kinds, opened.fact.type))
  if (writing.length === 0) return
  const claims = claimsOf(writing.map(({ opened, shared, tenant }) => ({ tenant, here: opened.envelope.subject, there: shared?.conversation })))
  yield* settleConversationNames(tx, [...claims.values()], later)
  const named = writing.map((event) => {
    const { subject } = event.opened.envelope
    return { tenant: event.tenant, here: subject, there: claims.get(scoped(event.tenant, subject))?.there ?? subject, event }
  })
  const loaded = yield* loadConversations(tx, named)
  const writes: Array<Write> = []
  for (const name of named) {
    const conversation = conversationOf(loaded, name)
    const { opened, seq } = name.event
    // retention was here first, as when the log is read before the journal: then only names are learnt from it
    const expired = seq !== null && seq < conversation.expired && name.event.withheld === null
    writes.push({ event: name.event, fact: opened.fact as WriteFact, conversation, message: undefined, expired })
  }
  yield* findMessages(tx, loaded, writes, later)
  const folded = fold(writes, later)
  const words = yield* intern(tx, textsOf(folded.conversations, folded.messages, writes))
  putMessages(tx, folded.messages, words)
  insertWrites(tx, writes.filter(({ expired }) => !expired), words)
  putConversations(tx, folded.conversations, words)
  yield* recheck(tx, folded.contenders, folded.settled)
})

const conversationOf = (loaded: Loaded, name: { readonly tenant: number; readonly here: string; readonly there: string }): ConversationRow => {
  const there = scoped(name.tenant, name.there)
  const held = loaded.byLocal.get(scoped(name.tenant, name.here)) ?? loaded.byShared.get(there)
  const row = held ?? {
    id: loaded.nextConversation++,
    tenant: name.tenant,
    shared: name.there,
    fresh: true,
    local: null,
    hidden: false,
    stamp: undefined,
    messages: 0,
    aliases: false,
    withheld: false,
    expired: 0,
    title: undefined,
    surfaces: new Set<string>(),
    byShared: new Map<string, MessageRow>(),
    byLocal: new Map<string, MessageRow>()
  }
  if (held === undefined) loaded.byShared.set(there, row)
  if (row.local === null && name.here !== row.shared) {
    row.local = name.here
    loaded.byLocal.set(scoped(name.tenant, name.here), row)
  }
  return row
}

/** Give every write to a message its row, known or new. */
const findMessages = Effect.fnUntraced(function*(tx: Transaction, loaded: Loaded, writes: ReadonlyArray<Write>, later: Again) {
  const wanted: Array<{ readonly write: Write; readonly conversation: ConversationRow; readonly here: string; there: string }> = []
  for (const write of writes) {
    if (!("message_id" in write.fact.data)) continue
    const here = write.fact.data.message_id
    wanted.push({ write, conversation: write.conversation, here, there: write.event.shared?.message_id ?? here })
  }
  const claims = claimsOf(wanted.map(({ conversation, here, there }) => ({ tenant: conversation.id, here, there })))
  if (claims.size > 0) {
    yield* settleMessageNames(tx, [...claims.values()].map(({ here, tenant, there }) => ({ conversation: tenant, here, there })), later)
    for (const name of wanted) {
      const claim = claims.get(scoped(name.conversation.id, name.here))
      if (claim === undefined) continue
      name.there = claim.there
      name.conversation.aliases = true
    }
  }
  yield* loadMessages(tx, wanted)
  for (const { conversation, here, there, write } of wanted) {
    write.message = conversation.byLocal.get(here) ?? conversation.byShared.get(there)
    if (write.message === undefined) {
      write.message = blankMessage(loaded.nextMessage++, conversation, there)
      conversation.byShared.set(there, write.message)
    }
    if (write.message.local === null && here !== write.message.shared) {
      write.message.local = here
      conversation.byLocal.set(here, write.message)
      conversation.aliases = true
    }
  }
})

const writtenOf = (event: NewEvent, fact: WriteFact): Written => {
  const stamp = stampOf(event.opened.envelope)
  return {
    ref: event.ref,
    stamp,
    append: fact.type === "message.appended",
    deletes: fact.type === "message.deleted",
    base: "base" in fact.data ? baseOf(fact.data.base, stamp) : undefined
  }
}

interface Folded {
  readonly conversations: ReadonlySet<ConversationRow>
  readonly messages: ReadonlySet<MessageRow>
  /** Writes that may conflict with what only history knows. */
  readonly contenders: ReadonlyMap<MessageRow, ReadonlyArray<Written>>
  /** Messages whose conflicts one write has settled. */
  readonly settled: ReadonlySet<MessageRow>
}

const fold = (writes: ReadonlyArray<Write>, later: Again): Folded => {
  const conversations = new Set<ConversationRow>()
  const messages = new Set<MessageRow>()
  const contenders = new Map<MessageRow, Array<Written>>()
  const settled = new Set<MessageRow>()
  for (const { conversation, event, expired, fact, message } of writes) {
    if (expired) {
      conversations.add(conversation)
      if (message !== undefined && message.local !== null) messages.add(message)
      continue
    }
    const written = writtenOf(event, fact)
    conversations.add(conversation)
    conversation.surfaces.add(event.opened.envelope.surface)
    conversation.withheld ||= event.withheld !== null
    if (!touch(conversation, written, fact.type === "conversation.deleted")) later.conversations.add(conversation.id)
    if (message === undefined) takeTitle(conversation, written, fact, later)
    else {
      messages.add(message)
      const verdict = take(message, written)
      if (verdict === "look at conflicts") {
        const held = contenders.get(message)
        if (held === undefined) contenders.set(message, [written])
        else held.push(written)
      }
      if (verdict === "settles" && message.conflicted) settled.add(message)
      if (verdict === "fold again") {
        later.messages.add(message.id)
        later.conversations.add(conversation.id)
      }
    }
  }
  return { conversations, messages, contenders, settled }
}

const takeTitle = (conversation: ConversationRow, written: Written, fact: WriteFact, later: Again): void => {
  if (fact.type !== "conversation.renamed" && !(fact.type === "conversation.created" && fact.data.title !== undefined)) return
  const sign = conversation.title === undefined ? 1 : compare(written.stamp, conversation.title.stamp)
  if (sign > 0) conversation.title = { ref: written.ref, stamp: written.stamp }
  if (sign === 0) later.conversations.add(conversation.id)
}
