/**
 * Random faults on real processes, run after run, each from a seed that replays its schedule: what must be true
 * whatever happens is looked at after each. 20 to 40 seconds a run. `npm run faults -- --help` tells the flags. What this
 * machine cannot do is left out by name.
 */
import { appendFileSync, writeFileSync } from "node:fs"
import { faultKinds } from "../support/faults/kinds.ts"
import { enterOwnNetwork, lineLacks } from "../support/faults/line.ts"
import { runPlan, type Run } from "../support/faults/run.ts"
import { planOf } from "../support/faults/schedule.ts"
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { closeWorlds } from "../support/world.ts"

const flags = flagsOf("faults", "Random faults on real processes. Exit code 0: every run was sound. Ctrl-C ends it after the present run, a second one at once.", {
  runs: { default: 10, value: "N", says: "how many" },
  seed: { default: 1, value: "N", says: "of the first; each further one is one more" },
  only: { default: null, value: "LIST", says: "of these kinds alone, such as \"freeze,kill local agent\"" },
  out: { default: null, value: "FILE", says: "a line of JSON for each run" }
})
const lacks = lineLacks()
const only = flags.only?.split(",").map((name) => name.trim())
const unknown = only?.find((name) => !faultKinds.some(({ kind }) => kind === name))
if (unknown !== undefined) misused("faults", `no such fault: ${unknown}; there are ${faultKinds.map(({ kind }) => kind).join(", ")}`)
if (lacks === undefined) enterOwnNetwork()
const can = (kind: (typeof faultKinds)[number]) => (only === undefined || only.includes(kind.kind)) && (kind.needsLine === undefined || lacks === undefined)
for (const kind of faultKinds) if (kind.needsLine && lacks !== undefined) say(`left out: ${kind.kind}: ${lacks}`)

let unsound = 0
let done = 0
let over = false
const struck = new Map<string, number>()
stopsOnSignals({ ask: () => { over = true }, close: closeWorlds })
const seeds = Array.from({ length: flags.runs }, (_, i) => flags.seed + i)
if (flags.out !== undefined) writeFileSync(flags.out, "")
const keep = (run: Partial<Run> | { readonly seed: number; readonly sound: false; readonly brokeOff: string }) => {
  if (flags.out !== undefined) appendFileSync(flags.out, `${JSON.stringify(run)}\n`)
}
for (const seed of seeds) {
  if (over) break
  done++
  const plan = planOf(seed, can)
  say(`seed ${seed}: ${plan.shape.hosted} hosted, ${plan.shape.locals} locals, a surface ${plan.shape.surface ?? "none"}${plan.shape.tight ? ", tight limits" : ""}${plan.shape.smallDisks ? ", small disks" : ""}`)
  const run = await runPlan(plan, say).catch((error: Error) => error)
  if (run instanceof Error) {
    unsound++
    say(`  NOT SOUND: the run broke off: ${run.message}`)
    keep({ seed, sound: false, brokeOff: run.message })
    continue
  }
  if (!run.sound) unsound++
  say(`  ${run.sound ? "sound" : "NOT SOUND"}: ${run.acknowledged} acknowledged, ${run.unanswered} unanswered, ${run.events} events, quiet after ${run.quietMs} ms, slowest write ${run.slowestWriteMs} ms, ${run.looks} looks, ${run.fromSurface} written on a surface, ${run.telemetry} telemetry events, ${run.seconds} s`)
  for (const name of ["lost", "twice", "telemetryWrong", "problems", "apart", "wentBack", "stuck", "surprises"] as const) {
    for (const line of run[name].slice(0, 5)) say(`    ${name}: ${line.slice(0, 1500)}`)
    if (run[name].length > 5) say(`    ${name}: and ${run[name].length - 5} more`)
  }
  keep(run)
  for (const { kind } of run.struck) struck.set(kind, (struck.get(kind) ?? 0) + 1)
}
for (const [kind, times] of struck) say(`${kind}: ${times}`)
say(`${done} runs, ${unsound} not sound`)
tell({ runs: done, unsound, struck: Object.fromEntries(struck) })
process.exit(unsound === 0 ? 0 : 1)
