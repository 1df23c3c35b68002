import { Effect } from "effect"
import type { Projection } from "../Projection.ts"
import { absorb } from "./absorb.ts"
import { removingMany } from "./searchIndex.ts"
import { searchTables } from "./searchTables.ts"
import { conversationShape, conversationTables } from "./tables.ts"

/** Conversations and their messages: what people read. `apply` and `view` say what the tables mean. */
export const conversations: Projection = {
  name: "conversations",
  shape: conversationShape,
  ddl: [...conversationTables, ...searchTables],
  absorb,
  forget: Effect.fnUntraced(function*(tx, tenant) {
    const mine = "(select id from conversation where tenant = ?)"
    yield* tx.run("delete from conflict where tenant = ?", tenant)
    yield* removingMany(tx, tx.run(`delete from write where conversation in ${mine}`, tenant))
    for (const table of ["message", "conversation_surface"]) {
      yield* tx.run(`delete from ${table} where conversation in ${mine}`, tenant)
    }
    yield* tx.run("delete from conversation where tenant = ?", tenant)
  })
}
