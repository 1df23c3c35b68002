import { random } from "../../property/projections/rig.ts"
import { isSound, judge, type Judgement } from "./judge.ts"
import { faultKinds, happenings } from "./kinds.ts"
import { openLine, ownNetwork } from "./line.ts"
import { startLoad } from "./load.ts"
import { startMeasuring } from "./measuring.ts"
import { startReaders } from "./readers.ts"
import type { Plan, Planned } from "./schedule.ts"
import { makeStage, type Shape } from "./stage.ts"
import { startTyping } from "./surface.ts"

/** What a run was and what came of it. */
export interface Run extends Judgement {
  readonly seed: number
  readonly shape: Shape
  readonly struck: ReadonlyArray<{ readonly kind: string; readonly atMs: number; readonly what: string }>
  readonly sound: boolean
  readonly acknowledged: number
  readonly unanswered: number
  readonly looks: number
  /** Written on a phone or in a browser; telemetry that was acknowledged. */
  readonly fromSurface: number
  readonly telemetry: number
  readonly slowestWriteMs: number
  readonly seconds: number
  readonly logDamaged: boolean
  /** The end of every backend's log, where the run was not sound. */
  readonly logs?: Readonly<Record<string, string>>
}

/** Between two writes at one backend, on average. */
const writePauseMs = 90

/** Act out a plan: build the stage, write and read all the time, strike, wait for quiet, judge. */
export const runPlan = async (plan: Plan, say: (line: string) => void = () => {}): Promise<Run> => {
  const began = performance.now()
  const stage = await makeStage(plan.shape)
  say(`  in ${stage.world.dir}`)
  const sleep = (ms: number) => new Promise<void>((wait) => setTimeout(wait, ms))
  try {
    const dice = random(plan.seed + 1)
    const load = startLoad(stage, dice, writePauseMs)
    const readers = startReaders(stage)
    const measuring = startMeasuring(stage)
    const { surface } = plan.shape
    const typing = surface === undefined ? undefined : await startTyping(stage, surface, random(plan.seed + 2))
    const line = process.env[ownNetwork] === "1" ? openLine(stage.link.port) : undefined
    const struck: Array<Run["struck"][number]> = []
    const strike = async (planned: Planned) => {
      await sleep(planned.atMs)
      const kind = [...faultKinds, ...happenings].find(({ kind }) => kind === planned.kind)!
      const what = await kind.strike({ stage, load, readers, line, dice: random(planned.seed), holdMs: planned.holdMs, sleep })
        .catch((error: Error) => `${planned.kind} failed: ${error.message}`)
      struck.push({ kind: planned.kind, atMs: planned.atMs, what })
      say(`  ${(planned.atMs / 1000).toFixed(1)} s  ${what}`)
    }
    await Promise.all([...plan.faults.map(strike), sleep(plan.loadMs)])
    for (const backend of stage.all) await stage.revive(backend)
    await load.stop()
    const judgement = await judge(stage, { load, readers, measuring, typing })
    await readers.stop()
    const sound = isSound(judgement)
    return {
      seed: plan.seed, shape: plan.shape, struck, sound, ...judgement,
      acknowledged: load.acknowledged.length,
      unanswered: load.failed(),
      looks: readers.looks(),
      fromSurface: typing?.typed.length ?? 0,
      telemetry: measuring.acked.size,
      slowestWriteMs: Math.round(load.slowest()),
      seconds: Math.round((performance.now() - began) / 1000),
      logDamaged: stage.damaged.log,
      ...(sound ? {} : { logs: Object.fromEntries(stage.all.map((backend) => [backend.name, backend.log().slice(-6000)])) })
    }
  } finally {
    await stage.close()
  }
}
