import { compare, type Stamp } from "../../streams/Stamp.ts"
import { packTime, unpackTime } from "../packedTime.ts"
import type { Words } from "../words.ts"
import { later } from "./registers.ts"

/** A conversation as its row stands, and what the batch makes of it. */
export interface ConversationRow {
  readonly id: number
  readonly tenant: number
  readonly shared: string
  readonly fresh: boolean
  local: string | null
  hidden: boolean
  stamp: Stamp | undefined
  messages: number
  aliases: boolean
  withheld: boolean
  readonly expired: number
  title: { readonly ref: number; readonly stamp: Stamp } | undefined
  /** Surfaces seen in this batch. */
  readonly surfaces: Set<string>
  readonly byShared: Map<string, MessageRow>
  readonly byLocal: Map<string, MessageRow>
}

export interface MessageRow {
  readonly id: number
  readonly conversation: ConversationRow
  readonly shared: string
  local: string | null
  /** 0: no write yet, or retention took them all; then nothing else here means anything. */
  shown: number
  stamp: Stamp
  deleted: boolean
  mixed: boolean
  conflicted: boolean
  editFirst: boolean
  place: Stamp
  base: Stamp | undefined
}

/** A write as the fold of the tables needs it. */
export interface Written {
  readonly ref: number
  readonly stamp: Stamp
  readonly append: boolean
  readonly deletes: boolean
  readonly base: Stamp | undefined
}

/** What the batch still has to look up in history, because the rows alone cannot tell. */
export type Verdict = "told" | "settles" | "look at conflicts" | "fold again"

/**
 * Take one write into a message's row. The same rules as `view`, from the row alone:
 *
 * - `told`: nothing more to do. A register of one source cannot conflict.
 * - `settles`: its author had seen all there is, so whatever was in conflict is settled.
 * - `look at conflicts`: it may conflict with writes that only history knows.
 * - `fold again`: a stamp used twice; history decides.
 */
export const take = (message: MessageRow, write: Written): Verdict => {
  if (message.shown === 0) return begin(message, write)
  const sign = compare(write.stamp, message.stamp)
  if (sign === 0) return "fold again"
  const sawAll = sign > 0 && write.base !== undefined && compare(write.base, message.stamp) >= 0
  const otherSource = write.stamp.source !== message.stamp.source
  const verdict: Verdict = sawAll ? "settles" : message.mixed || otherSource ? "look at conflicts" : "told"
  message.mixed ||= otherSource
  message.base = later(message.base, write.base)
  if (write.append && message.editFirst) {
    message.place = write.stamp
    message.editFirst = false
  } else if ((write.append || message.editFirst) && compare(write.stamp, message.place) < 0) message.place = write.stamp
  if (sign > 0) {
    message.shown = write.ref
    message.stamp = write.stamp
    message.conversation.messages += Number(message.deleted) - Number(write.deletes)
    message.deleted = write.deletes
  }
  return verdict
}

const begin = (message: MessageRow, write: Written): Verdict => {
  message.shown = write.ref
  message.stamp = write.stamp
  message.deleted = write.deletes
  message.mixed = false
  message.editFirst = !write.append
  message.place = write.stamp
  message.base = write.base
  message.conversation.messages += Number(!write.deletes)
  return "told"
}

const never: Stamp = { lamport: 0, time: "0000-00-00T00:00:00.000Z", source: "" }

/** A message nothing was written to. */
export const blankMessage = (id: number, conversation: ConversationRow, shared: string): MessageRow => ({
  id,
  conversation,
  shared,
  local: null,
  shown: 0,
  stamp: never,
  deleted: true,
  mixed: false,
  conflicted: false,
  editFirst: true,
  place: never,
  base: undefined
})

/** Take one write of any kind into its conversation's row. False: a stamp used twice, history decides. */
export const touch = (conversation: ConversationRow, write: { readonly stamp: Stamp }, deletes: boolean): boolean => {
  const sign = conversation.stamp === undefined ? 1 : compare(write.stamp, conversation.stamp)
  if (sign > 0) {
    conversation.stamp = write.stamp
    conversation.hidden = deletes
  }
  return sign !== 0
}

type Cell = string | number | null

/** Column values in the order of `conversationColumns`. */
export const conversationCells = (row: ConversationRow, words: Words): ReadonlyArray<Cell> => [
  row.id,
  row.tenant,
  row.shared,
  Number(row.hidden),
  ...stampCells(row.stamp, row.tenant, words, 0),
  row.messages,
  Number(row.aliases),
  Number(row.withheld),
  row.expired,
  row.local,
  row.title?.ref ?? null,
  ...stampCells(row.title?.stamp, row.tenant, words, null)
]

/** Column values in the order of `messageColumns`. What is null at the end is left away: a shorter text to parse. */
export const messageCells = (row: MessageRow, words: Words): ReadonlyArray<Cell> => {
  const { tenant } = row.conversation
  const cells: Array<Cell> = [
    row.id,
    row.conversation.id,
    row.shared,
    row.shown,
    row.stamp.lamport,
    packTime(row.stamp.time),
    words(tenant, row.stamp.source),
    Number(row.deleted),
    Number(row.mixed),
    Number(row.conflicted),
    Number(row.editFirst)
  ]
  const moved = row.place !== row.stamp
  if (row.local !== null || moved || row.base !== undefined) {
    cells.push(row.local, ...stampCells(moved ? row.place : undefined, tenant, words, null), ...stampCells(row.base, tenant, words, null))
  }
  return cells
}

const stampCells = (stamp: Stamp | undefined, tenant: number, words: Words, none: 0 | null): ReadonlyArray<Cell> =>
  stamp === undefined ? [none, none, none] : [stamp.lamport, packTime(stamp.time), words(tenant, stamp.source)]

export const stampOfCells = (lamport: number | null, time: number | null, source: string | null): Stamp | undefined =>
  lamport === null || time === null || source === null || lamport === 0 ? undefined : { lamport, time: unpackTime(time), source }
