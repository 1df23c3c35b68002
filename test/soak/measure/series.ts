/** What one number did over time: minutes since the start, how much had been written by then, and the value. */
export interface Series {
  readonly name: string
  readonly kind: Kind
  readonly points: ReadonlyArray<Point>
}
export type Point = readonly [minutes: number, written: number, value: number]

export interface Verdict {
  readonly name: string
  readonly kind: Kind
  readonly first: number
  readonly last: number
  readonly mean: number
  /** By least squares over what was written, after the warm-up; where `lowest`, over the lowest points. */
  readonly per_thousand_writes: number
  /** The same over all that was written after the warm-up. */
  readonly grown: number
  readonly most: number
  readonly flat: boolean
}

/**
 * What kinds of number there are, and how much one may have grown in the end and still be called flat: `share` of its
 * mean, or `noise`, whichever is more. What a collector leaves is known well and may hardly grow. What the system has
 * given a process also holds what is only waiting to be given back, and comes and goes by itself. A block of a stream grows to 8 MiB in the time of
 * some thousand writes, and begins again: with two streams written to, by the length of the watch, that alone is 16 MiB.
 */
const kinds = {
  "in use, MB": { share: 0.03, noise: 3, lowest: false },
  "blocks, MB": { share: 0.1, noise: 17, lowest: true },
  "resident, MB": { share: 0.1, noise: 12, lowest: true },
  count: { share: 0.05, noise: 6, lowest: true },
  "bytes/event": { share: 0.1, noise: 100, lowest: false }
} as const
export type Kind = keyof typeof kinds

/** Memory is given back now and then, and fibers come and go with what is under way: whether it grows is told by the lowest of each part of the watch, which what is kept raises too. */
const troughs = 6

/**
 * Does it grow with what is written? A leak grows with each write for ever; a cache grows until it is full. So the
 * trend is taken over what was written after the warm-up, and what it would come to is compared with what is allowed.
 */
export const judge = ({ kind, name, points }: Series, warmUpMinutes: number): Verdict => {
  const settled = points.filter(([minutes]) => minutes >= warmUpMinutes)
  if (settled.length < 2) throw new Error(`${name} was looked at ${settled.length} times after the warm-up: that tells nothing`)
  const { lowest, noise, share } = kinds[kind]
  const values = settled.map(([, , value]) => value)
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const slope = slopeOf(lowest ? lowestOf(settled) : settled)
  const grown = slope * (settled.at(-1)![1] - settled[0]![1])
  const most = Math.max(share * mean, noise)
  const rounded = (value: number) => Math.round(value * 100) / 100
  return {
    name, kind, first: rounded(values[0]!), last: rounded(values.at(-1)!), mean: rounded(mean),
    per_thousand_writes: rounded(slope * 1000), grown: rounded(grown), most: rounded(most), flat: grown <= most
  }
}

/** The lowest point of each part. */
const lowestOf = (points: ReadonlyArray<Point>): ReadonlyArray<Point> => {
  const size = Math.ceil(points.length / troughs)
  return Array.from({ length: Math.ceil(points.length / size) }, (_, part) => points.slice(part * size, (part + 1) * size).reduce((low, point) => point[2] < low[2] ? point : low))
}

/** Least squares, per write. */
const slopeOf = (points: ReadonlyArray<Point>): number => {
  const n = points.length
  const meanX = points.reduce((sum, [, x]) => sum + x, 0) / n
  const meanY = points.reduce((sum, [, , y]) => sum + y, 0) / n
  const over = points.reduce((sum, [, x, y]) => sum + (x - meanX) * (y - meanY), 0)
  const under = points.reduce((sum, [, x]) => sum + (x - meanX) ** 2, 0)
  return under === 0 ? 0 : over / under
}
