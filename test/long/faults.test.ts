// Goal: whatever happens in whatever order, nothing acknowledged is lost, nothing is there twice, all agree, nobody sees a message go back.
// Method: real processes under continuous writes; two schedules of random faults whose seeds replay them (`npm run faults` runs as many
// as one likes); then every kind of fault the table has is looked for in the first schedules, so that none has fallen out of use.
import { describe, expect, it } from "vitest"
import { type FaultKind, faultKinds, happenings } from "../support/faults/kinds.ts"
import { runPlan } from "../support/faults/run.ts"
import { planOf } from "../support/faults/schedule.ts"

/** What spoils a line needs a network of its own; what takes minutes is the long run's. */
const can = ({ holdMs: [usual], needsLine }: FaultKind) => needsLine === undefined && usual <= 1000
/** Killed processes and a wrong clock with two hosted processes; a deleted mirror, a damaged log and a killed hub with one. */
const seeds = [8, 11]

describe("random faults", () => {
  for (const seed of seeds) {
    it(`seed ${seed}: all that must be true is`, { timeout: 180_000 }, async () => {
      const plan = planOf(seed, can)
      const told: Array<string> = []
      const run = await runPlan({ ...plan, loadMs: 5000, faults: plan.faults.slice(0, 3).map((fault) => ({ ...fault, atMs: Math.min(fault.atMs, 4500), holdMs: Math.min(fault.holdMs, 2500) })) }, (line) => void told.push(line))
      const { apart, lost, problems, stuck, surprises, telemetryWrong, twice, wentBack } = run
      expect({ apart, lost, problems, stuck, surprises, telemetryWrong, twice, wentBack }, told.join("\n")).toEqual({ apart: [], lost: [], problems: [], stuck: [], surprises: [], telemetryWrong: [], twice: [], wentBack: [] })
      // a run in which nobody wrote or looked proves nothing
      expect(run.acknowledged).toBeGreaterThan(20)
      expect(run.looks).toBeGreaterThan(20)
      expect(run.telemetry).toBeGreaterThan(5)
    })
  }

  it("every kind is drawn, and a seed always draws the same", () => {
    const plans = Array.from({ length: 200 }, (_, seed) => planOf(seed, () => true))
    expect(new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)))).toEqual(new Set([...faultKinds, ...happenings].map(({ kind }) => kind)))
    expect(planOf(42, can)).toEqual(planOf(42, can))
  })
})
