// Goal: the conversation tables say what the fold says, however the same events arrive.
// Method: random histories full of collisions, both inputs cut into batches, interleaved, offered twice; every query compared.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import { stateDigest } from "../../../projections/conversations/digest.ts"
import { conflicts, history as historyOf } from "../../../projections/conversations/history.ts"
import type { Conversation } from "../../../projections/conversations/model.ts"
import { counts, get, greatestLamport, list } from "../../../projections/conversations/queries.ts"
import { view } from "../../../projections/conversations/view.ts"
import { byId, expected, foldAll } from "./expected.ts"
import { history, type History } from "./histories.ts"
import { database, feed, random, tenant } from "./rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const everywhere = 5

/** Everything the queries say, small pages included. */
const readAll = Effect.fnUntraced(function*(keys: ReadonlyArray<{ readonly conversation: string; readonly message: string }>) {
  const conversations: Array<Conversation> = []
  let cursor: string | null | undefined = undefined
  while (cursor !== null) {
    const page: Effect.Success<ReturnType<typeof list>> = yield* list({ tenant, limit: 1, cursor })
    for (const { conversation_id, ...summary } of page.items) {
      const whole = Option.getOrThrow(yield* get({ tenant, conversation: conversation_id, everywhere: Effect.succeed(everywhere) }))
      const { messages: _, ...head } = whole
      assert.deepStrictEqual(head, { conversation_id, ...summary })
      conversations.push(whole)
    }
    cursor = page.cursor
  }
  const contested = []
  for (let at: string | null | undefined = undefined; at !== null;) {
    const page: Effect.Success<ReturnType<typeof conflicts>> = yield* conflicts({ tenant, limit: 2, cursor: at })
    contested.push(...page.items)
    at = page.cursor
  }
  const histories = []
  for (const key of keys) histories.push({ ...key, items: yield* historyOf({ tenant, ...key }) })
  return {
    conversations,
    conflicts: contested.sort(byId),
    histories,
    digest: yield* stateDigest(tenant),
    lamport: yield* greatestLamport(tenant)
  }
})

const compareBoth = Effect.fnUntraced(function*(seed: number, { journal, log }: History) {
  yield* feed(random(seed + 1), { journal, log })
  const state = foldAll(journal, log)
  const want = expected(state, everywhere)
  const got = yield* readAll(want.histories.map(({ conversation, message }) => ({ conversation, message })))
  assert.deepStrictEqual(got, want)
  const visible = want.conversations.reduce((sum, conversation) => sum + conversation.messages.length, 0)
  assert.deepStrictEqual({ ...yield* counts(tenant) }, { conversations: want.conversations.length, messages: visible })
  return { state, want }
})

describe("the conversation tables", () => {
  it.effect.prop("agree with the fold on honest histories", [seed], ([seed]) =>
    compareBoth(seed, history(seed, { size: 24, odd: false, expires: false })).pipe(Effect.provide(database())), { arbitrary: { runs: 25 } })

  it.effect.prop("agree with the fold on histories no honest backend writes", [seed], ([seed]) =>
    compareBoth(seed, history(seed, { size: 24, odd: true, expires: false })).pipe(Effect.provide(database())), { arbitrary: { runs: 20 } })

  it.effect.prop("agree with the fold when retention takes writes away", [seed], ([seed]) =>
    compareBoth(seed, history(seed, { size: 24, odd: false, expires: true })).pipe(Effect.provide(database())), { arbitrary: { runs: 20 } })

  it.effect("met the cases these histories are for", () =>
    Effect.sync(() => {
      const seen = { conflicts: 0, hidden: 0, deleted: 0, withheld: 0, redacted: 0, mapped: 0, revived: 0 }
      for (let seed = 0; seed < 60; seed++) {
        const { journal, log } = history(seed, { size: 24, odd: false, expires: false })
        for (const conversation of view(foldAll(journal, log)).values()) {
          seen.hidden += Number(conversation.hidden)
          seen.mapped += Number(conversation.id !== conversation.shared)
          for (const message of conversation.messages) {
            seen.conflicts += Number(message.contested.size > 0)
            seen.deleted += Number(message.deleted)
            seen.revived += Number(!message.deleted && message.history.some(({ fact }) => fact.type === "message.deleted"))
            seen.withheld += message.history.filter(({ said }) => said.withheld).length
            seen.redacted += message.history.filter(({ said }) => said.shared?.content !== undefined).length
          }
        }
      }
      for (const [what, count] of Object.entries(seen)) assert.isAbove(count, 9, what)
    }))
})
