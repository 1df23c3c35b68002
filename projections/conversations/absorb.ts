import { Effect } from "effect"
import type { FactOf } from "../../streams/catalog.ts"
import { stampOf } from "../../streams/Envelope.ts"
import { hexOf } from "../ledger.ts"
import { packTime } from "../packedTime.ts"
import type { Batch, NewEvent } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import { intern, type Words } from "../words.ts"
import { type Claim, claimsOfEvents, claimsOfPlaced, settleNames } from "./aliases.ts"
import { recheck, refold } from "./refold.ts"
import { baseOf } from "./registers.ts"
import { conversationCells, type ConversationRow, messageCells, type MessageRow, take, touch, type Written } from "./rows.ts"
import { loadConversations, loadMessages } from "./load.ts"
import { expire, markWithheldConversations, shareForms } from "./settle.ts"
import { kinds } from "./tables.ts"

export type WriteFact = FactOf<
  "conversation.created" | "conversation.renamed" | "conversation.deleted" | "message.appended" | "message.edited" | "message.deleted"
>
/** An event that writes to a conversation, and what its conversation and message are called in the log. */
export interface WriteEvent {
  readonly event: NewEvent
  readonly fact: WriteFact
  readonly conversation: string
  /** `""`: the conversation itself. */
  readonly message: string
}

/**
 * Take a batch into the tables: read the rows it touches, fold in memory with `take`, write them back, one statement
 * per table. Only what rows alone cannot decide (conflicts, ids that merge, retention) goes to history, afterwards.
 */
export const absorb = Effect.fnUntraced(function*(tx: Transaction, batch: Batch) {
  const claims = claimsOfEvents(batch.events)
  const writes = writesOf(batch.events, claims)
  const again = { conversations: new Set<number>(), messages: new Set<number>() }
  if (writes.length > 0) {
    if (claims.size > 0) yield* settleNames(tx, [...claims.values()], again)
    const state = yield* loadConversations(tx, writes)
    yield* loadMessages(tx, state, writes)
    const folded = fold(state, writes)
    const words = yield* intern(tx, folded.texts)
    yield* writeRows(tx, folded, words)
    yield* recheck(tx, folded.contenders, folded.settled)
    for (const { id } of folded.doubtful) again.messages.add(id)
    for (const { id } of folded.doubtfulConversations) again.conversations.add(id)
  }
  if (batch.placed.length > 0) {
    yield* shareForms(tx, batch.placed, again)
    yield* settleNames(tx, yield* claimsOfPlaced(tx, batch.placed), again)
  }
  if (batch.withheld.length > 0) yield* markWithheldConversations(tx, batch.withheld)
  yield* expire(tx, batch.events, again)
  yield* refold(tx, again)
})
