// Goal: of many who ask, one who asks without end waits for itself alone, and what waits has a limit.
// Method: the queue against what a fair one promises: a flood and a few honest ones, then random lives.
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { FairQueue } from "../../src/nats/fairQueue.ts"

const limits = { running: 8, runningOfOne: 2, waitingBytes: 1_000_000, waitingBytesOfOne: 200_000 }

describe("a fair queue", () => {
  it("hands an honest request out right after what is running, however many wait of somebody else", () => {
    const queue = new FairQueue<string>(limits)
    let taken = 0
    while (queue.offer("flood", "x", 0)) taken++
    assert.isBelow(taken, 1000)
    assert.isTrue(queue.offer("ada", "hers", 1000))
    assert.deepStrictEqual([queue.take()?.item, queue.take()?.item, queue.take()?.item, queue.take()], ["x", "hers", "x", undefined])
  })

  it.prop("loses nothing it took, keeps each sender's order and every limit", [Schema.Array(Schema.Struct({ from: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })), size: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 90_000 })), finish: Schema.Boolean }))], ([steps]) => {
    const queue = new FairQueue<readonly [string, number]>(limits)
    const offered: Array<readonly [string, number]> = []
    const handled: Array<readonly [string, number]> = []
    const hands: Array<{ readonly from: string; readonly done: () => void }> = []
    const takeAll = () => {
      for (let next = queue.take(); next !== undefined; next = queue.take()) {
        handled.push(next.item)
        hands.push({ from: next.item[0], done: next.done })
      }
      assert.isAtMost(hands.length, limits.running)
      for (const { from } of hands) assert.isAtMost(hands.filter((hand) => hand.from === from).length, limits.runningOfOne)
    }
    steps.forEach(({ finish, from, size }, n) => {
      const item = [`s${from}`, n] as const
      if (queue.offer(item[0], item, size)) offered.push(item)
      takeAll()
      if (finish) hands.shift()?.done()
    })
    while (hands.length > 0) {
      hands.shift()!.done()
      takeAll()
    }
    const of = (all: ReadonlyArray<readonly [string, number]>, from: number) => all.filter(([sender]) => sender === `s${from}`)
    for (let from = 0; from < 5; from++) assert.deepStrictEqual(of(handled, from), of(offered, from))
  }, { arbitrary: { runs: 200 } })
})
