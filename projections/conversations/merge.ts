import { Effect } from "effect"
import type { Transaction } from "../Sqlite.ts"
import type { Again } from "./aliases.ts"

/** Two rows that turned out to be one conversation: everything of `stale` goes to `target`, which is computed again. */
export const mergeConversations = Effect.fnUntraced(function*(
  tx: Transaction,
  { here, stale, target }: { readonly stale: number; readonly target: number; readonly here: string },
  later: Again
) {
  const messages = yield* tx.all<{ stale: number; target: number | null }>(
    `select a.id as stale, b.id as target from message a
     left join message b on b.conversation = ?2 and b.shared = a.shared where a.conversation = ?1`,
    stale,
    target
  )
  yield* tx.run("update write set conversation = ?2 where conversation = ?1", stale, target)
  const moved = messages.flatMap((row) => row.target === null ? [row.stale] : [])
  yield* tx.run("update message set conversation = ?2 where id in (select value from json_each(?1))", JSON.stringify(moved), target)
  yield* mergeMessages(
    tx,
    messages.flatMap((row) => row.target === null ? [] : [{ conversation: target, stale: row.stale, target: row.target, here: null }]),
    later
  )
  yield* tx.run(
    "insert into conversation_surface select ?2, surface from conversation_surface where conversation = ?1 on conflict do nothing",
    stale,
    target
  )
  yield* tx.run("delete from conversation_surface where conversation = ?", stale)
  yield* tx.run(
    `update conversation set local = coalesce(conversation.local, ?3), aliases = max(conversation.aliases, s.aliases),
       withheld = max(conversation.withheld, s.withheld), expired = max(conversation.expired, s.expired)
     from conversation s where conversation.id = ?2 and s.id = ?1`,
    stale,
    target,
    here
  )
  yield* tx.run("delete from conversation where id = ?", stale)
  later.conversations.delete(stale)
  later.conversations.add(target)
})

/** Rows of one conversation that turned out to be one message. `here`: what this machine calls it, if that is news. */
export const mergeMessages = Effect.fnUntraced(function*(
  tx: Transaction,
  pairs: ReadonlyArray<{ readonly conversation: number; readonly stale: number; readonly target: number; readonly here: string | null }>,
  later: Again
) {
  if (pairs.length === 0) return
  const rows = JSON.stringify(pairs.map(({ conversation, here, stale, target }) => [conversation, stale, target, here]))
  yield* tx.run(
    `update write set message = j.value ->> 2 from jsonb_each(?) j
     where write.conversation = j.value ->> 0 and write.message = j.value ->> 1`,
    rows
  )
  yield* tx.run(
    `update message set local = coalesce(m.local, j.value ->> 3, s.local) from jsonb_each(?) j
     join message m on m.id = j.value ->> 2 join message s on s.id = j.value ->> 1 where message.id = m.id`,
    rows
  )
  yield* tx.run(
    `delete from conflict where (tenant, message) in
       (select c.tenant, j.value ->> 1 from jsonb_each(?) j join conversation c on c.id = j.value ->> 0)`,
    rows
  )
  yield* tx.run("delete from message where id in (select j.value ->> 1 from jsonb_each(?) j)", rows)
  for (const { conversation, stale, target } of pairs) {
    later.messages.delete(stale)
    later.messages.add(target)
    later.conversations.add(conversation)
  }
})
