/**
 * The simulation for as long as you like: schedules one after the other, each from a seed of its own. `npm run simulate --
 * --help` tells the flags. One schedule alone is told with its whole trace.
 */
import { flagsOf, misused, say, stopsOnSignals, tell } from "../support/script.ts"
import { report, runSchedule } from "../simulation/schedule.ts"

const toldEveryMillis = 10_000
const minutesDefault = 10

const flags = flagsOf("simulate", [
  "Whole lives of a small world, each decided by its seed. With a seed alone: that one, with its whole trace; else from that",
  "seed (or from the time of day) on. Exit code 0: every invariant held. Ctrl-C ends it after the present schedule."
].join("\n"), {
  seed: { default: null, value: "S", says: "of the first" },
  schedules: { default: null, value: "N", says: "so many" },
  minutes: { default: null, value: "M", says: `for so long (default ${minutesDefault}, without --schedules)` },
  out: { default: null, value: "FILE", says: "write the result there too" }
})
const number = (name: "seed" | "schedules" | "minutes"): number | undefined => {
  const text = flags[name]
  const value = Number(text)
  if (text === undefined) return undefined
  return text.trim() !== "" && Number.isFinite(value) && value >= 0 ? value : misused("simulate", `--${name} takes a number, not ${text}`)
}
const [seed, schedules, minutes] = [number("seed"), number("schedules"), number("minutes")]

if (seed !== undefined && schedules === undefined && minutes === undefined) {
  const outcome = runSchedule(seed)
  process.stdout.write(`${outcome.trace.lines.join("\n")}\n`)
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
let over = false
stopsOnSignals({ ask: () => { over = true }, close: () => Promise.resolve() })
for (; !over && performance.now() < until && done < (schedules ?? Infinity); done++) {
  const outcome = runSchedule(first + done)
  // a schedule leaves no turn for signals by itself
  await new Promise((turn) => setImmediate(turn))
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
tell({ schedules: done, first_seed: first, acknowledged, seconds: Math.round((performance.now() - began) / 1000), failures }, flags.out)
process.exitCode = failures.length === 0 ? 0 : 1
