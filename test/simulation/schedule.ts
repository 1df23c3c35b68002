import { actions } from "./actions.ts"
import type { Trace, Violation } from "./kernel.ts"
import { quiet } from "./quiet.ts"
import { asItIs, type Wiring } from "./wiring.ts"
import { World } from "./world.ts"

export interface Outcome {
  readonly seed: number
  readonly violation: Violation | undefined
  readonly trace: Trace
  /** What the schedule was about: to see that schedules are about something. */
  readonly acknowledged: number
  readonly logged: number
}

/** Things that happen in one schedule, at least and at most. */
const stepsMin = 10
const stepsMax = 40

const total = actions.reduce((sum, { weight }) => sum + weight, 0)

/** One life of a small world, from its beginning to its rest. The same seed is the same life, whatever the machine. */
export const runSchedule = (seed: number, wiring: Wiring = asItIs): Outcome => {
  const world = new World(seed, wiring)
  const { kernel } = world
  const { dice } = kernel
  const steps = stepsMin + dice.below(stepsMax - stepsMin)
  const pause = dice.pick([50, 500, 2000])
  for (let step = 0; step < steps && kernel.failure === undefined; step++) {
    let at = dice.below(total)
    const action = actions.find(({ weight }) => (at -= weight) < 0)!
    action.run(world)
    for (const local of world.locals) {
      world.invariants.relayed(local)
      world.invariants.sample(local)
    }
    kernel.pass(dice.below(dice.chance(0.1) ? 10 * pause : pause))
  }
  if (kernel.failure === undefined) quiet(world)
  world.close()
  return { seed, violation: kernel.failure, trace: kernel.trace, acknowledged: world.invariants.acknowledged.size, logged: world.hub.log.size().messages }
}

/** The last lines of a trace say enough to begin with; the seed gives all of it again. */
const shownMax = 25

/** What a person needs of a schedule that failed. */
export const report = ({ seed, trace, violation }: Outcome): string => [
  `seed ${seed} breaks invariant ${violation?.invariant}: ${violation?.why}`,
  ...trace.lines.slice(-shownMax),
  `again, whole: npm run simulate -- --seed ${seed}`
].join("\n")
