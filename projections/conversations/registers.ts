import { compare, type Stamp } from "../../streams/Stamp.ts"

/**
 * What a register's rules need to know of a write to it.
 *
 * `value`: equal for writes that say the same (same role, content and deletedness), as far as others see them.
 */
export interface Write {
  readonly eventId: string
  readonly stamp: Stamp
  readonly base: Stamp | undefined
  readonly value: unknown
}

/**
 * The order of writes: by stamp. Honest stamps are unique; where two writes carry one stamp all the same,
 * the event id decides, so that every device decides alike.
 */
export const order = (a: Write, b: Write): number =>
  compare(a.stamp, b.stamp) || (a.eventId < b.eventId ? -1 : a.eventId > b.eventId ? 1 : 0)

/** The write that shows: the greatest. */
export const greatest = <W extends Write>(writes: Iterable<W>): W | undefined => {
  let top: W | undefined
  for (const write of writes) if (top === undefined || order(write, top) > 0) top = write
  return top
}

export const least = <W extends Write>(writes: Iterable<W>): W | undefined => {
  let bottom: W | undefined
  for (const write of writes) if (bottom === undefined || order(write, bottom) < 0) bottom = write
  return bottom
}

/** The stamp a write knowingly replaces. One that is not below the write itself says nothing. */
export const baseOf = (base: Stamp | undefined, stamp: Stamp): Stamp | undefined =>
  base !== undefined && compare(base, stamp) < 0 ? base : undefined

/**
 * Whether two writes of one register conflict: different sources, different values, and the author of the greater
 * had not seen the smaller. A write without a base has seen nothing.
 */
export const inConflict = (smaller: Write, greater: Write): boolean =>
  smaller.stamp.source !== greater.stamp.source &&
  smaller.value !== greater.value &&
  (greater.base === undefined || compare(smaller.stamp, greater.base) > 0)

export const later = (a: Stamp | undefined, b: Stamp | undefined): Stamp | undefined =>
  a === undefined ? b : b === undefined || compare(a, b) >= 0 ? a : b

/** UTF-8's order, which is not that of UTF-16 units. */
export const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
