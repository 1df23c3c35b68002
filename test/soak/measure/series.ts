/** What one number did over time: minutes since the start, and the value then. */
export interface Series {
  readonly name: string
  readonly unit: "MB" | "count" | "bytes/event"
  readonly points: ReadonlyArray<readonly [minutes: number, value: number]>
}

export interface Verdict {
  readonly name: string
  readonly unit: Series["unit"]
  readonly first: number
  readonly last: number
  readonly mean: number
  /** By least squares, after the warm-up; of memory, over its lowest points. */
  readonly per_hour: number
  readonly flat: boolean
}

/** Growth over what was watched that is still called flat: a share of the mean, or what such numbers do by themselves. */
const shareMax = 0.1
const noise = { MB: 12, count: 6, "bytes/event": 100 } as const

/** Memory is collected now and then, and rises in between: whether it grows is told by the lowest of each part of the watch. */
const troughs = 6

/** Does it grow? Judged on what comes after the warm-up: caches fill first. */
export const judge = ({ name, points, unit }: Series, warmUpMinutes: number): Verdict => {
  const settled = points.filter(([minutes]) => minutes >= warmUpMinutes)
  const values = settled.map(([, value]) => value)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const span = settled.at(-1)![0] - settled[0]![0]
  const slope = slopeOf(unit === "MB" ? lowest(settled) : settled)
  const rounded = (value: number) => Math.round(value * 100) / 100
  return {
    name, unit, first: rounded(values[0]!), last: rounded(values.at(-1)!), mean: rounded(mean), per_hour: rounded(slope * 60),
    flat: slope * span <= Math.max(shareMax * mean, noise[unit])
  }
}

/** The lowest point of each part. */
const lowest = (points: Series["points"]): Series["points"] => {
  const size = Math.ceil(points.length / troughs)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, part) => points.slice(part * size, (part + 1) * size).reduce((low, point) => point[1] < low[1] ? point : low))
}

/** Least squares, per minute. */
const slopeOf = (points: Series["points"]): number => {
  const n = points.length
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n
  const over = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : over / under
}
