import { Effect } from "effect"
import { hexOf, placeEvents } from "../ledger.ts"
import type { NewEvent } from "../Projection.ts"
import type { Transaction } from "../Sqlite.ts"
import type { Again } from "./aliases.ts"

/** Note that these conversations hold writes that stay here: their shared form is computed from history. */
export const markWithheld = (tx: Transaction, refs: ReadonlyArray<number>): void =>
  tx.put(
    `update conversation set withheld = 1 where id in
       (select w.conversation from json_each(?) j join write w on w.id = j.value)`,
    JSON.stringify(refs)
  )

/** Retention: what lies before `before_seq` in the log leaves these conversations, here as there; what is withheld stays. */
export const expire = Effect.fnUntraced(function*(tx: Transaction, events: ReadonlyArray<NewEvent>, later: Again) {
  for (const { opened: { envelope, fact }, tenant } of events) {
    if (fact.type !== "conversation.expired") continue
    // whoever lost count of the places (the log is in another epoch, and no longer has these) is told once more
    const purged = (fact.data.purged ?? []).flatMap(([seq, id]) => id === null ? [] : [[tenant, hexOf(id), seq]])
    if (purged.length > 0) tx.put(placeEvents, JSON.stringify(purged))
    const [row] = yield* tx.all<{ id: number }>(
      `insert into conversation (tenant, shared, hidden, lamport, time, source, messages, aliases, withheld, expired)
       values (?1, coalesce((select shared from conversation where tenant = ?1 and local = ?2), ?2), 1, 0, 0, 0, 0, 0, 0, ?3)
       on conflict (tenant, shared) do update set expired = max(expired, excluded.expired) returning id`,
      tenant,
      envelope.subject,
      fact.data.before_seq
    )
    yield* dropExpired(tx, row!.id, later)
  }
})

const dropExpired = Effect.fnUntraced(function*(tx: Transaction, conversation: number, later: Again) {
  const gone = yield* tx.all<{ message: number | null }>(
    `delete from write where id in
       (select w.id from conversation c join write w on w.conversation = c.id
        join event e on e.tenant = c.tenant and e.id = w.event where c.id = ? and e.seq < c.expired and e.withheld is null)
     returning message`,
    conversation
  )
  for (const { message } of gone) if (message !== null) later.messages.add(message)
  if (gone.length > 0) later.conversations.add(conversation)
})
