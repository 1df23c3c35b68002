/**
 * The simulation for as long as you like: schedules one after the other, each from a seed of its own.
 *
 * `node test/soak/simulate.ts [--seed S] [--schedules N | --minutes M]`. With a seed alone: that one schedule, with its
 * whole trace. Else from that seed (or from the time of day) on. Exit code: 0 all well, 1 an invariant broke, 2 usage.
 */
import { parseArgs } from "node:util"
import { report, runSchedule } from "../simulation/schedule.ts"

const say = (line: string) => void process.stdout.write(`${line}\n`)
const usage = () => {
  say("usage: node test/soak/simulate.ts [--seed S] [--schedules N | --minutes M]")
  process.exit(2)
}
const toldEveryMillis = 10_000
const minutesDefault = 10

const { values } = parseArgs({ options: { seed: { type: "string" }, schedules: { type: "string" }, minutes: { type: "string" } } })
const number = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined
  const value = Number(text)
  return Number.isFinite(value) && value >= 0 ? value : usage()
}
const seed = number(values.seed)
const schedules = number(values.schedules)
const minutes = number(values.minutes)

if (seed !== undefined && schedules === undefined && minutes === undefined) {
  const outcome = runSchedule(seed)
  say(outcome.trace.lines.join("\n"))
  say(`trace ${outcome.trace.hash}, ${outcome.acknowledged} events acknowledged, ${outcome.logged} messages in the log`)
  say(outcome.violation === undefined ? `seed ${seed} holds` : report(outcome))
  process.exit(outcome.violation === undefined ? 0 : 1)
}

const first = seed ?? Math.floor(Date.now() / 1000)
const until = schedules === undefined ? performance.now() + (minutes ?? minutesDefault) * 60_000 : Infinity
const began = performance.now()
let told = began
let done = 0
let acknowledged = 0
const failures: Array<string> = []
for (; performance.now() < until && done < (schedules ?? Infinity); done++) {
  const outcome = runSchedule(first + done)
  acknowledged += outcome.acknowledged
  if (outcome.violation !== undefined) {
    say(report(outcome))
    failures.push(`seed ${outcome.seed}: ${outcome.violation.invariant}`)
  }
  if (performance.now() - told > toldEveryMillis) {
    told = performance.now()
    say(`${done + 1} schedules, seeds ${first} to ${first + done}, ${((told - began) / (done + 1)).toFixed(0)} ms each, ${failures.length} failed`)
  }
}
say(`${done} schedules from seed ${first} on, ${acknowledged} events acknowledged, ${((performance.now() - began) / 1000).toFixed(0)} s, ${failures.length} failed`)
for (const failure of failures) say(`  ${failure}`)
process.exitCode = failures.length === 0 ? 0 : 1
