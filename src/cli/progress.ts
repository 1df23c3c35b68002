import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stdio from "effect/Stdio"
import { count, duration } from "./text.ts"

/** How far a piece of work has come, in its own unit. `of` 0: nobody knows how much there is. */
export interface At {
  readonly at: number
  readonly of: number
  /** What is counted besides, for the rate: `13,915 messages`. */
  readonly done: number
  readonly unit: string
}

/** Redrawing more often than this is work for nobody's eyes. */
const redrawMillis = 100
const barWidth = 24

/** `importing  ████████░░░░  38%  1,204 messages  3,310/s  2.1 s left`. Pure. */
export const renderProgress = (what: string, { at, of, done, unit }: At, elapsedMillis: number): string => {
  const rate = elapsedMillis > 0 ? done / elapsedMillis * 1000 : 0
  const share = of > 0 ? Math.min(1, at / of) : undefined
  const full = Math.round((share ?? 0) * barWidth)
  return [
    what,
    ...(share === undefined ? [] : [`${"█".repeat(full)}${"░".repeat(barWidth - full)}`, `${String(Math.floor(share * 100)).padStart(3)}%`]),
    `${count(done)} ${unit}`,
    `${count(Math.round(rate))}/s`,
    ...(share === undefined || share === 0 || share === 1 ? [] : [`${duration(elapsedMillis / share - elapsedMillis)} left`])
  ].join("  ")
}

/**
 * A bar on stderr where that is a terminal, nothing otherwise. `show` draws, `clear` wipes the line so that
 * the next sentence starts clean.
 */
export const progressBar = Effect.fnUntraced(function*(what: string) {
  const stdio = yield* Stdio.Stdio
  const isTerminal = yield* stdio.stderrIsTerminal
  const start = yield* Clock.currentTimeMillis
  let drawn = 0
  return {
    show: (at: At) =>
      !isTerminal ? Effect.void : Effect.map(Clock.currentTimeMillis, (now) => {
        if (now - drawn < redrawMillis) return
        drawn = now
        process.stderr.write(`\r\u001B[2K${renderProgress(what, at, now - start)}`)
      }),
    clear: Effect.sync(() => {
      if (isTerminal && drawn > 0) process.stderr.write("\r\u001B[2K")
    }),
    elapsedMillis: Effect.map(Clock.currentTimeMillis, (now) => now - start)
  }
})
