// Goal: no single change to any log makes a reader throw, believe a forged event, or stay silent.
// Method: random logs of real authors, one random change each; everything that counts is held against what was signed.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { subjects } from "../../streams/subjects.ts"
import { digestOf } from "../../src/security/digest.ts"
import type { LogMessage } from "../../src/security/LogReader.ts"
import { LogHistory, makeKeys } from "../support/logHistory.ts"
import { type Dice, random } from "./projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const names = ["ada", "bob", "cat"]
const keys = Effect.runPromise(makeKeys(["hosted", ...names]))

const randomLog = async (dice: Dice): Promise<LogHistory> => {
  const made = await keys
  const log = new LogHistory(made["hosted"]!)
  const authors = names.slice(0, 1 + dice.below(3)).map((name) => log.join(name, made[name]!))
  const commits = 2 + dice.below(6)
  for (let i = 0; i < commits; i++) {
    const author = dice.pick(authors)
    log.commit(author, Array.from({ length: 1 + dice.below(4) }, (_, n) => log.said(author, `c${dice.below(3)}`, `${i}.${n}`)))
  }
  return log
}

const changes = ["flip", "cut", "remove", "swap", "repeat", "insert", "move", "overwrite"] as const

/** One change to what is stored; `undefined` where the dice chose one that changes nothing. */
const change = (dice: Dice, log: LogHistory): { readonly how: (typeof changes)[number]; readonly messages: ReadonlyArray<LogMessage> } | undefined => {
  const messages = [...log.messages]
  const i = dice.below(messages.length)
  const j = dice.below(messages.length)
  const one = messages[i]!
  const how = dice.pick(changes)
  switch (how) {
    case "flip":
      messages[i] = { ...one, data: Uint8Array.from(one.data).with(dice.below(one.data.length), dice.below(256)) }
      break
    case "cut":
      messages[i] = { ...one, data: one.data.subarray(0, dice.below(one.data.length)) }
      break
    case "remove":
      messages.splice(i, 1)
      break
    case "swap":
      messages[i] = messages[j]!
      messages[j] = one
      break
    case "repeat":
      messages.splice(j, 0, one)
      break
    case "insert":
      messages.splice(i, 0, { ...one, data: Buffer.from(dice.pick(["", "{}", "null", "[1]", "\u0000", "{\"author\":\"hosted\"}"])) })
      break
    case "move":
      messages[i] = { ...one, subject: dice.pick([messages[j]!.subject, subjects.logSettings(log.tenant), "log", "log.a.b.c.d"]) }
      break
    case "overwrite":
      messages[i] = { ...one, data: messages[j]!.data }
      break
  }
  const same = messages.length === log.messages.length && messages.every((message, n) => message.subject === log.messages[n]!.subject && digestOf(message.data) === digestOf(log.messages[n]!.data))
  return same ? undefined : { how, messages: messages.map((message, n) => ({ ...message, seq: n + 1 })) }
}

const seen = Object.fromEntries(changes.map((how) => [how, 0])) as Record<(typeof changes)[number], number>

describe("one change to a log", () => {
  it.effect.prop("is named, and nothing counts that its author did not sign", [seed], ([seed]) =>
    Effect.promise(async () => {
      const dice = random(seed)
      const log = await randomLog(dice)
      const before = log.read()
      assert.deepStrictEqual(before.named, [])
      const changed = change(dice, log)
      if (changed === undefined) return
      seen[changed.how]++
      const after = log.read(changed.messages)
      const signed = new Map(log.messages.map(({ data, subject }) => [digestOf(data), subject]))
      for (const event of after.events) {
        const message = changed.messages[event.seq - 1]!
        assert.strictEqual(signed.get(digestOf(message.data)), message.subject, "counted where and as it was signed")
      }
      const ids = after.events.map((event) => event._tag === "opened" ? event.opened.envelope.id : event.envelope.id)
      assert.strictEqual(new Set(ids).size, ids.length, "counted once")
      for (const id of ids) assert.isTrue(log.signed.has(id))
      assert.isAbove(after.problems.length + after.waiting.length, 0, changed.how)
      // a change to one message that is an event costs that event at most
      const touched = log.messages.filter(({ data, subject }, n) => changed.messages[n]?.subject !== subject || digestOf(changed.messages[n].data) !== digestOf(data))
      if (changed.messages.length === log.messages.length && touched.length === 1 && touched[0]!.subject.includes(".conv.") && changed.messages[touched[0]!.seq - 1]!.subject.includes(".conv.")) {
        assert.strictEqual(after.events.length, before.events.length - 1)
      }
    }), { arbitrary: { runs: 400 } })

  it("was each of these", () => {
    for (const how of changes) assert.isAbove(seen[how], 10, how)
  })
})
