import { Effect } from "effect"
import type { Transaction } from "./Sqlite.ts"

/**
 * Short texts that come again and again (sources, surfaces, roles), kept once per tenant and named by number.
 * Per tenant, so that erasing one leaves no text behind.
 */
export const wordTable = [
  "create table word (id integer primary key, tenant integer not null, text text not null, unique (tenant, text)) strict"
]

export type Words = (tenant: number, text: string) => number

/** Give every text a number, new ones included. Texts not asked for are a defect. */
export const intern = Effect.fnUntraced(function*(tx: Transaction, wanted: ReadonlyMap<number, ReadonlySet<string>>) {
  const rows: Array<readonly [number, string]> = []
  for (const [tenant, texts] of wanted) for (const text of texts) rows.push([tenant, text])
  const ids = new Map<number, Map<string, number>>()
  const read = Effect.fnUntraced(function*(asked: ReadonlyArray<readonly [number, string]>) {
    for (const word of yield* tx.all<{ tenant: number; text: string; id: number }>(readWords, JSON.stringify(asked))) {
      const held = ids.get(word.tenant) ?? new Map<string, number>()
      ids.set(word.tenant, held.set(word.text, word.id))
    }
  })
  if (rows.length > 0) yield* read(rows)
  const missing = rows.filter(([tenant, text]) => ids.get(tenant)?.get(text) === undefined)
  if (missing.length > 0) {
    yield* tx.run(addWords, JSON.stringify(missing))
    yield* read(missing)
  }
  const words: Words = (tenant, text) => {
    const id = ids.get(tenant)?.get(text)
    if (id === undefined) throw new Error("a word was used that was not interned")
    return id
  }
  return words
})

const readWords = `
  select w.tenant, w.text, w.id from jsonb_each(?) j
  join word w on w.tenant = j.value ->> 0 and w.text = j.value ->> 1`

const addWords = `insert into word (tenant, text) select j.value ->> 0, j.value ->> 1 from jsonb_each(?) j`
