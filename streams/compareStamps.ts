import type { Stamp } from "./Stamp.ts"

/** Negative, zero or positive, as `Array.sort` wants it. Lamport as a number; time and source bytewise. */
export const compare = (a: Stamp, b: Stamp): number =>
  a.lamport - b.lamport || bytewise(a.time, b.time) || bytewise(a.source, b.source)

/** Both fields are ASCII by their schemas, so comparing UTF-16 units is comparing bytes. */
const bytewise = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
