// Goal: a simulation that finds nothing proves nothing: bugs of the kinds that lose data are found within a normal run.
// Method: each planted bug stands between two parts of the real code; the same seeds, from the first one on.
import { assert, describe, it } from "@effect/vitest"
import { plants } from "../simulation/plants.ts"
import { report, runSchedule } from "../simulation/schedule.ts"

const budget = 2000
const timeout = 300_000

describe("a planted bug is found", () => {
  it.each(Object.entries(plants))("%s", { timeout }, (name, wiring) => {
    for (let seed = 0; seed < budget; seed++) {
      const outcome = runSchedule(seed, wiring)
      if (outcome.violation === undefined) continue
      console.log(`${name}: seed ${seed}, invariant ${outcome.violation.invariant}`)
      assert.include(report(outcome), `--seed ${seed}`)
      assert.isUndefined(runSchedule(seed).violation, "without the bug the same seed holds")
      return
    }
    assert.fail(`not found in ${budget} schedules`)
  })
})
