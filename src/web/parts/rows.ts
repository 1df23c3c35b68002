/** Rows of one height (pixels), one below the other; a list is several such runs. */
export interface Run {
  readonly count: number
  readonly height: number
}

/** Rows beyond what is in sight that are in the page too: a short scroll finds them there. */
const margin = 4
/** A scroll counts in steps of so many pixels: most of them change nothing. */
export const stepPixels = 128

/** Where row `at` begins, pixels from the top of the list. With `at` the number of all rows: where the list ends. */
export const topOf = (runs: ReadonlyArray<Run>, at: number): number => {
  let top = 0
  let rest = at
  for (const { count, height } of runs) {
    top += Math.min(rest, count) * height
    rest -= Math.min(rest, count)
  }
  return top
}

/** The row at a place, or the number of all rows where it is below them. */
const rowAt = (runs: ReadonlyArray<Run>, place: number): number => {
  let rest = Math.max(0, place)
  let at = 0
  for (const { count, height } of runs) {
    if (rest < count * height) return at + Math.floor(rest / height)
    rest -= count * height
    at += count
  }
  return at
}

/** From which row to before which one is in the page, at that place. */
export const windowOf = (runs: ReadonlyArray<Run>, place: number, height: number): readonly [from: number, to: number] => {
  const all = runs.reduce((sum, { count }) => sum + count, 0)
  return [Math.max(0, rowAt(runs, place) - margin), Math.min(all, rowAt(runs, place + stepPixels + height) + 1 + margin)]
}
