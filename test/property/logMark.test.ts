// Goal: a log that lost its end is told apart from one that grew: its epoch rises, and never falls.
// Method: `judge` over random lives of a log: it grows, is restored from older copies, is lost, restarts in between.
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { judge, type Mark } from "../../src/hosted/LogMark.ts"
import { random } from "./projections/rig.ts"

const seed = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 }))
const fresh = { lastSeq: 0, id: undefined, epoch: undefined }

describe("the log's mark", () => {
  it("begins with a new id and epoch 1; adopts what a stream already says of itself", () => {
    assert.deepStrictEqual(judge(undefined, fresh, () => "new"), { log_id: "new", log_epoch: 1, high_water: 0 })
    assert.deepStrictEqual(judge(undefined, { lastSeq: 7, id: "kept", epoch: 4 }, () => "new"), { log_id: "kept", log_epoch: 4, high_water: 7 })
  })

  it.each([
    ["grew", { lastSeq: 12, id: "a", epoch: 2 }, 2],
    ["stayed", { lastSeq: 10, id: "a", epoch: 2 }, 2],
    ["is shorter: restored from a copy", { lastSeq: 9, id: "a", epoch: 2 }, 3],
    ["is empty: lost", fresh, 3],
    ["is shorter, and from before the last restoration", { lastSeq: 9, id: "a", epoch: 1 }, 3],
    ["was raised by another process", { lastSeq: 12, id: "a", epoch: 5 }, 5],
    ["is shorter, though raised by another process", { lastSeq: 9, id: "a", epoch: 5 }, 6]
  ] as const)("of a log that %s", (_, stream, epoch) => {
    const mark = judge({ log_id: "a", log_epoch: 2, high_water: 10 }, stream, () => "never")
    assert.deepStrictEqual(mark, { log_id: "a", log_epoch: epoch, high_water: stream.lastSeq })
  })

  it.effect.prop("rises with every restoration that lost something, and only then", [seed], ([seed]) =>
    Effect.sync(() => {
      const dice = random(seed)
      let mark: Mark = judge(undefined, fresh, () => "id")
      let stream = { lastSeq: 0, id: mark.log_id as string | undefined, epoch: mark.log_epoch as number | undefined }
      const copies = [stream]
      for (let step = 0; step < 40; step++) {
        const before = mark
        const what = dice.below(4)
        if (what === 0) stream = { ...stream, lastSeq: stream.lastSeq + dice.below(20) }
        if (what === 1) copies.push(stream)
        if (what === 2) stream = dice.pick(copies)
        if (what === 3 && dice.chance(0.2)) stream = { lastSeq: 0, id: undefined, epoch: undefined }
        mark = judge(before, stream, () => "another")
        assert.strictEqual(mark.log_id, "id")
        assert.strictEqual(mark.log_epoch > before.log_epoch, stream.lastSeq < before.high_water)
        assert.strictEqual(mark.high_water, stream.lastSeq)
        // what the process writes down at its start, and what the stream then says of itself
        stream = { ...stream, id: mark.log_id, epoch: mark.log_epoch }
      }
    }), { arbitrary: { runs: 200 } })
})
