/**
 * Random faults on real processes, run after run, each from a seed that replays its schedule: what must be true
 * whatever happens is looked at after each. 20 to 40 seconds a run.
 *
 * `node test/soak/faults.ts --runs 50 --seed 1 --out faults.json [--only "freeze,kill local agent"]`
 *
 * `kill -INT` of this process ends it after the present run. Exit code 0: every run was sound. What this machine cannot do is left out by name.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { faultKinds } from "../support/faults/kinds.ts"
import { enterOwnNetwork, lineLacks } from "../support/faults/line.ts"
import { runPlan, type Run } from "../support/faults/run.ts"
import { planOf } from "../support/faults/schedule.ts"

const { values } = parseArgs({ options: { runs: { type: "string", default: "10" }, seed: { type: "string", default: "1" }, out: { type: "string" }, only: { type: "string" } } })
const say = (line: string) => void process.stdout.write(`${line}\n`)

const lacks = lineLacks()
if (lacks === undefined) enterOwnNetwork()
const only = values.only?.split(",").map((name) => name.trim())
const can = (kind: (typeof faultKinds)[number]) => (only === undefined || only.includes(kind.kind)) && (kind.needsLine === undefined || lacks === undefined)
for (const kind of faultKinds) if (kind.needsLine && lacks !== undefined) say(`left out: ${kind.kind}: ${lacks}`)

let unsound = 0
let done = 0
let over = false
process.once("SIGINT", () => { over = true })
const seeds = Array.from({ length: Number(values.runs) }, (_, i) => Number(values.seed) + i)
if (values.out !== undefined) writeFileSync(values.out, "")
for (const seed of seeds) {
  if (over) break
  done++
  const plan = planOf(seed, can)
  say(`seed ${seed}: ${plan.shape.hosted} hosted, ${plan.shape.locals} locals, a surface ${plan.shape.surface ?? "none"}${plan.shape.tight ? ", tight limits" : ""}${plan.shape.smallDisks ? ", small disks" : ""}`)
  const run = await runPlan(plan, say).catch((error: Error) => error)
  if (run instanceof Error) {
    unsound++
    say(`  NOT SOUND: the run broke off: ${run.message}`)
    if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify({ seed, sound: false, brokeOff: run.message })}\n`)
    continue
  }
  if (!run.sound) unsound++
  say(`  ${run.sound ? "sound" : "NOT SOUND"}: ${run.acknowledged} acknowledged, ${run.unanswered} unanswered, ${run.events} events, quiet after ${run.quietMs} ms, slowest write ${run.slowestWriteMs} ms, ${run.looks} looks, ${run.fromSurface} written on a surface, ${run.telemetry} telemetry events, ${run.seconds} s`)
  for (const name of ["lost", "twice", "telemetryWrong", "problems", "apart", "wentBack", "stuck", "surprises"] as const) {
    for (const line of run[name].slice(0, 5)) say(`    ${name}: ${line.slice(0, 1500)}`)
    if (run[name].length > 5) say(`    ${name}: and ${run[name].length - 5} more`)
  }
  if (values.out !== undefined) appendFileSync(values.out, `${JSON.stringify(run)}\n`)
}
if (values.out !== undefined && existsSync(values.out)) summarise(readFileSync(values.out, "utf8").trim().split("\n").map((line): Partial<Run> => JSON.parse(line)))
say(`${done} runs, ${unsound} not sound`)
process.exit(unsound === 0 ? 0 : 1)

function summarise(runs: ReadonlyArray<Partial<Run>>) {
  const kinds = Map.groupBy(runs.flatMap(({ struck }) => struck ?? []), ({ kind }) => kind)
  for (const [kind, struck] of kinds) say(`${kind}: ${struck.length}`)
}
