/** One line of the benchmark: what was measured, and beside it the floor measured in the same run on the same machine. */
export interface Row {
  readonly name: string
  readonly value: number
  readonly unit: "ms" | "events/s" | "s" | "bytes" | "MB"
  /** What the machine does at best for the part that cannot be left out; `null` where there is no such part. */
  readonly floor: number | null
  /** value / floor: for times smaller is better, for rates greater. */
  readonly ratio: number | null
  readonly note: string
}

const rounded = (value: number) => Number(value.toPrecision(4))

export const row = (name: string, value: number, unit: Row["unit"], floor: number | null, note: string): Row => ({
  name,
  value: rounded(value),
  unit,
  floor: floor === null ? null : rounded(floor),
  ratio: floor === null ? null : rounded(value / floor),
  note
})

/** Milliseconds of each of `count` steps, one after the other. */
export const timed = async (count: number, step: (n: number) => Promise<unknown>): Promise<ReadonlyArray<number>> => {
  const took: Array<number> = []
  for (let n = 0; n < count; n++) {
    const before = performance.now()
    await step(n)
    took.push(performance.now() - before)
  }
  return took
}

/** The value below which `share` of the samples lie. */
export const quantile = (samples: ReadonlyArray<number>, share: number): number => {
  if (samples.length === 0) throw new RangeError("no samples")
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

export const toTable = (rows: ReadonlyArray<Row>): string => {
  const cells = [
    ["name", "value", "unit", "floor", "ratio", "note"],
    ...rows.map(({ floor, name, note, ratio, unit, value }) => [name, String(value), unit, floor === null ? "" : String(floor), ratio === null ? "" : String(ratio), note])
  ]
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((line) => line[i]!.length)))
  return cells.map((line) => line.map((cell, i) => i === line.length - 1 ? cell : i === 1 || i === 3 || i === 4 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)).join("  ")).join("\n")
}
