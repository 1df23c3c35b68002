// Goal: a seed is a schedule: again, after others, and in another process it is the same to the last line.
// Method: traces compared by hash and by line.
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { runSchedule } from "./schedule.ts"

const simulate = fileURLToPath(new URL("../soak/simulate.ts", import.meta.url))
const seeds = [3, 14, 159, 2653]

describe("a seed", () => {
  it("gives the same trace again, whatever ran in between", () => {
    const first = seeds.map((seed) => runSchedule(seed).trace)
    const again = seeds.toReversed().map((seed) => runSchedule(seed).trace).toReversed()
    seeds.forEach((_, i) => {
      assert.deepStrictEqual(again[i]!.lines, first[i]!.lines)
      assert.strictEqual(again[i]!.hash, first[i]!.hash)
    })
    assert.strictEqual(new Set(first.map(({ hash }) => hash)).size, seeds.length)
  })

  it("gives the same trace in another process, by the command a failure names", () => {
    const { hash } = runSchedule(seeds[0]!).trace
    const { status, stderr } = spawnSync(process.execPath, [simulate, "--seed", String(seeds[0])], { encoding: "utf8" })
    assert.strictEqual(status, 0, stderr)
    assert.include(stderr, `trace ${hash}`)
  })
})
