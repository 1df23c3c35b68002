import { Effect } from "effect"
import { Sqlite } from "../Sqlite.ts"

/** A conversation as a writer must know it. `hidden`: deleted, and nothing written since. */
export interface Head {
  /** Greatest lamport in it. */
  readonly version: number
  readonly title: string | null
  readonly hidden: boolean
}

/** What is there of these conversations, named by either of their ids, in one statement; in order, `undefined` where there is none. */
export const heads = Effect.fnUntraced(function*(options: { readonly tenant: string; readonly conversations: ReadonlyArray<string> }) {
  const sqlite = yield* Sqlite
  const rows = yield* sqlite.all<{ at: number; lamport: number; hidden: number; title: string | null }>(
    readHeads,
    options.tenant,
    JSON.stringify(options.conversations)
  )
  const answer = options.conversations.map((): Head | undefined => undefined)
  for (const { at, hidden, lamport, title } of rows) answer[at] = { version: lamport, title, hidden: hidden === 1 }
  return answer
})

const readHeads = `
  select j.key as at, c.lamport, c.hidden, w.content as title
  from json_each(?2) j
  join conversation c on c.id = coalesce(
    (select id from conversation indexed by conversation_local
      where tenant = (select id from tenant where name = ?1) and local = j.value and local is not null),
    (select id from conversation where tenant = (select id from tenant where name = ?1) and shared = j.value))
  left join write w on w.id = c.titled`
