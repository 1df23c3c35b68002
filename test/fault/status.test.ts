// Goal: a person reads one sentence, and it is about the first thing they can do something about.
// Method: every combination of the facts behind it; the first row of the order that applies must win.
import { assert, describe, it } from "@effect/vitest"
import { type Facts, sentenceOf } from "../../src/local/status.ts"

const calm: Facts = { paired: true, paused: false, needs: undefined, offlineSince: undefined, pending: 0, held: undefined, behind: 0, heardSecondsAgo: 0 }

/** In the order in which they count. */
const order: ReadonlyArray<readonly [state: ReturnType<typeof sentenceOf>["state"], facts: Partial<Facts>, sentence: RegExp]> = [
  ["needs_you", { needs: "this machine was revoked" }, /^needs you: this machine was revoked$/],
  ["not_paired", { paired: false }, /^not paired: .*`maestra local pair CODE`/],
  ["paused", { paused: true }, /^paused/],
  ["offline", { offlineSince: "2026-11-22T10:00:00.000Z" }, /^offline since 2026-11-22T10:00:00\.000Z/],
  ["sending", { pending: 12 }, /^sending 12$/],
  ["receiving", { behind: 3 }, /^receiving 3$/]
]

describe("the sentence of status", () => {
  it("is `in step` only where nothing at all is left to say", () => assert.deepStrictEqual(sentenceOf(calm), { state: "in_step", sentence: "in step" }))

  it.each(order)("is %s", (state, facts, sentence) => {
    const said = sentenceOf({ ...calm, ...facts })
    assert.strictEqual(said.state, state)
    assert.match(said.sentence, sentence)
  })

  it("is about the first of all that applies, in every combination", () => {
    for (let mask = 1; mask < 2 ** order.length; mask++) {
      const applying = order.filter((_, i) => (mask & 2 ** i) !== 0)
      const facts = Object.assign({}, calm, ...applying.map(([, facts]) => facts)) as Facts
      assert.strictEqual(sentenceOf(facts).state, applying[0]![0], JSON.stringify(facts))
    }
  })

  it("never says `in step` before the hosted side has said how far it is", () => {
    assert.strictEqual(sentenceOf({ ...calm, behind: undefined }).state, "receiving")
  })

  it("says how old it is where the hosted side does not answer any more", () => {
    assert.deepStrictEqual(sentenceOf({ ...calm, heardSecondsAgo: 12 }), { state: "in_step", sentence: "in step as of 12 s ago; the hosted backend has not answered since" })
    assert.strictEqual(sentenceOf({ ...calm, behind: 3, heardSecondsAgo: 12 }).sentence, "receiving 3")
  })

  it("says which setting keeps back what waits, and nothing of it where nothing does", () => {
    assert.deepStrictEqual(sentenceOf({ ...calm, pending: 4, held: "sync_conversations" }), { state: "sending", sentence: "sending 4: kept here, because the privacy setting sync_conversations is off" })
    assert.strictEqual(sentenceOf({ ...calm, held: "sync_conversations" }).sentence, "in step")
  })

  it("says what waits while nothing can be sent", () => {
    assert.strictEqual(sentenceOf({ ...calm, paused: true, pending: 4 }).sentence, "paused, 4 to send")
    assert.match(sentenceOf({ ...calm, offlineSince: "2026-11-22T10:00:00.000Z", pending: 4 }).sentence, /, 4 to send$/)
  })
})
