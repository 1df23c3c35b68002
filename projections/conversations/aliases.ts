import { Effect } from "effect"
import type { Placed } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import { scoped } from "./load.ts"
import { mergeConversations, mergeMessages } from "./merge.ts"

/** Rows to be computed again from history, once the batch is written. */
export interface Again {
  readonly conversations: Set<number>
  readonly messages: Set<number>
}
export const again = (): Again => ({ conversations: new Set(), messages: new Set() })

/** Our own event says: what is called `here` on this machine is called `there` in the log. */
export interface Claim {
  readonly tenant: number
  readonly here: string
  readonly there: string
}

/** The names that differ, each once. `tenant` is whatever scopes the ids: a tenant, or a conversation. */
export const claimsOf = (
  names: Iterable<{ readonly tenant: number; readonly here: string; readonly there: string | undefined }>
): Map<string, Claim> => {
  const claims = new Map<string, Claim>()
  for (const { here, tenant, there } of names) {
    if (there !== undefined && there !== here) claims.set(scoped(tenant, here), { tenant, here, there })
  }
  return claims
}

/**
 * Learn what conversations are called in the log. A row under the old name is renamed; where the log's name has a
 * row too (another device was first, or two began alike while apart) the two become one.
 */
export const settleConversationNames = Effect.fnUntraced(function*(tx: Transaction, claims: ReadonlyArray<Claim>, later: Again) {
  if (claims.length === 0) return
  const stale = yield* tx.all<{ at: number; stale: number; target: number | null }>(
    `select j.key as at, a.id as stale, b.id as target from jsonb_each(?) j
     join conversation a on a.tenant = j.value ->> 0 and a.shared = j.value ->> 1
     left join conversation b on b.tenant = a.tenant and b.shared = j.value ->> 2`,
    JSON.stringify(claims.map(({ here, tenant, there }) => [tenant, here, there]))
  )
  for (const { at, stale: id, target } of stale) {
    const { here, there } = claims[at]!
    if (target === null) {
      yield* tx.run("update conversation set shared = ?, local = coalesce(local, ?) where id = ?", there, here, id)
    } else yield* mergeConversations(tx, { stale: id, target, here }, later)
  }
})

/** The same for messages of one conversation. */
export const settleMessageNames = Effect.fnUntraced(function*(
  tx: Transaction,
  claims: ReadonlyArray<{ readonly conversation: number; readonly here: string; readonly there: string }>,
  later: Again
) {
  if (claims.length === 0) return
  const rows = claims.map(({ conversation, here, there }) => [conversation, here, there])
  const stale = yield* tx.all<{ at: number; stale: number; target: number | null }>(
    `select j.key as at, a.id as stale, b.id as target from jsonb_each(?) j
     join message a on a.conversation = j.value ->> 0 and a.shared = j.value ->> 1
     left join message b on b.conversation = a.conversation and b.shared = j.value ->> 2`,
    JSON.stringify(rows)
  )
  if (stale.length === 0) return
  const renamed = stale.filter(({ target }) => target === null).map(({ at, stale: id }) => [id, claims[at]!.there, claims[at]!.here])
  yield* tx.run(
    `update message set shared = j.value ->> 1, local = coalesce(local, j.value ->> 2) from jsonb_each(?) j where message.id = j.value ->> 0`,
    JSON.stringify(renamed)
  )
  yield* mergeMessages(
    tx,
    stale.flatMap(({ at, stale: id, target }) =>
      target === null ? [] : [{ conversation: claims[at]!.conversation, stale: id, target, here: claims[at]!.here }]),
    later
  )
  yield* tx.run(
    "update conversation set aliases = 1 from jsonb_each(?) j where conversation.id = j.value",
    JSON.stringify([...new Set(claims.map(({ conversation }) => conversation))])
  )
})

/** Take the shared forms of events already here: their text, and what their conversation and message are called in the log. */
export const settlePlaced = Effect.fnUntraced(function*(tx: Transaction, placed: ReadonlyArray<Placed>, later: Again) {
  const rows = JSON.stringify(placed.map(({ ref, shared }) => [ref, shared.content ?? shared.title ?? null, shared.role ?? null]))
  const changed = yield* tx.all<{ message: number | null }>(
    `update write set shared = j.value ->> 1 from jsonb_each(?) j
     where write.id = j.value ->> 0 and write.shared is null and j.value ->> 1 <> write.content returning write.message`,
    rows
  )
  const renamed = yield* tx.all<{ message: number | null }>(
    `update write set shared_role = j.value ->> 2 from jsonb_each(?) j
     where write.id = j.value ->> 0 and write.shared_role is null and j.value ->> 2 <> (select text from word where id = write.role) returning write.message`,
    rows
  )
  // a changed value may end or begin a conflict, where there can be one
  const mixed = yield* tx.all<{ id: number }>(
    "select m.id from json_each(?) j join message m on m.id = j.value where m.mixed = 1",
    JSON.stringify([...changed, ...renamed].flatMap(({ message }) => message === null ? [] : [message]))
  )
  for (const { id } of mixed) later.messages.add(id)

  const named = placed.filter(({ shared }) => shared.conversation !== undefined || shared.message_id !== undefined)
  if (named.length === 0) return
  const byRef = new Map(named.map(({ ref, shared }) => [ref, shared] as const))
  const refs = JSON.stringify([...byRef.keys()])
  const conversations = yield* tx.all<{ ref: number; tenant: number; here: string }>(
    `select w.id as ref, c.tenant, c.shared as here from json_each(?) j join write w on w.id = j.value
     join conversation c on c.id = w.conversation`,
    refs
  )
  const claims = claimsOf(conversations.map(({ here, ref, tenant }) => ({ tenant, here, there: byRef.get(ref)?.conversation })))
  yield* settleConversationNames(tx, [...claims.values()], later)
  const messages = yield* tx.all<{ ref: number; conversation: number; here: string }>(
    `select w.id as ref, w.conversation, m.shared as here from json_each(?) j join write w on w.id = j.value
     join message m on m.id = w.message`,
    refs
  )
  const messageClaims = claimsOf(messages.map(({ conversation, here, ref }) => ({ tenant: conversation, here, there: byRef.get(ref)?.message_id })))
  yield* settleMessageNames(tx, [...messageClaims.values()].map(({ here, tenant, there }) => ({ conversation: tenant, here, there })), later)
})
