import { assert, describe, it } from "@effect/vitest"
import { report, runSchedule } from "./schedule.ts"

/** Schedules of one test file: two files, so that two cores take a half each. Together 2,000. */
const schedules = 1000
/** Schedules of one test, so that the runner hears of us. */
const atOnce = 25

const happenings = ["killed", "struck", "link down", "mirror lost", "tables lost", "put back", "clock wrong", "settings", "refused", "typed", "offline", "telemetry: told", "shut out", "renewed", "keys rotated", "a machine registered", "of simple phone"]

/** Schedules `start` to `start + 999`, each a small world of real backends on ports in memory, all of it decided by its seed. */
export const holdsFrom = (start: number): void => {
  const seen = { schedules: 0, acknowledged: 0, logged: 0, told: new Map<string, number>() }
  describe(`the simulation from seed ${start}`, () => {
    for (let first = start; first < start + schedules; first += atOnce) {
      it(`holds from seed ${first} to ${first + atOnce - 1}`, () => {
        for (let seed = first; seed < first + atOnce; seed++) {
          const outcome = runSchedule(seed)
          assert.isUndefined(outcome.violation, report(outcome))
          seen.schedules++
          seen.acknowledged += outcome.acknowledged
          seen.logged += outcome.logged
          for (const what of happenings) {
            const times = outcome.trace.lines.filter((line) => line.includes(what)).length
            seen.told.set(what, (seen.told.get(what) ?? 0) + times)
          }
        }
      })
    }

    it("was about something", () => {
      assert.strictEqual(seen.schedules, schedules)
      assert.isAbove(seen.acknowledged, 5 * schedules)
      assert.isAbove(seen.logged, 10 * schedules)
      for (const what of happenings) assert.isAbove(seen.told.get(what) ?? 0, schedules / 50, what)
    })
  })
}
