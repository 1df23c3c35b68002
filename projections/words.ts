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
  const { memory } = tx
  const unknown: Array<readonly [number, string]> = []
  for (const [tenant, texts] of wanted) for (const text of texts) if (!memory.has(nameOf(tenant, text))) unknown.push([tenant, text])
  const read = Effect.fnUntraced(function*(asked: ReadonlyArray<readonly [number, string]>) {
    if (asked.length === 0) return
    for (const { id, tenant, text } of yield* tx.before<{ tenant: number; text: string; id: number }>(readWords, JSON.stringify(asked))) {
      memory.set(nameOf(tenant, text), id)
    }
  })
  yield* read(unknown)
  const missing = unknown.filter(([tenant, text]) => !memory.has(nameOf(tenant, text)))
  if (missing.length > 0) {
    yield* tx.run(addWords, JSON.stringify(missing))
    yield* read(missing)
  }
  const words: Words = (tenant, text) => {
    const id = memory.get(nameOf(tenant, text))
    if (id === undefined) throw new Error("a word was used that was not interned")
    return id
  }
  return words
})

const nameOf = (tenant: number, text: string): string => `word ${tenant} ${text}`

const readWords = `
  select w.tenant, w.text, w.id from jsonb_each(?) j
  join word w on w.tenant = j.value ->> 0 and w.text = j.value ->> 1`

const addWords = `insert into word (tenant, text) select j.value ->> 0, j.value ->> 1 from jsonb_each(?) j`
