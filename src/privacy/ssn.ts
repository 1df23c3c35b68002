import type { Context } from "./context.ts"
import { type Groups, hasShape, isJoinedBy, isWhole, Join, joinOf, lengthOf, Mark } from "./groups.ts"

const shape = [3, 2, 4] as const

/** `123-45-6789` or `123.45.6789` as a whole word, issued or not: the last group, or -1. */
export const tightSsnAt = (groups: Groups, k: number): number => {
  const join = joinOf(groups, k + 1)
  return (join === Join.hyphen || join === Join.dot) && hasShape(groups, k, shape) && isJoinedBy(groups, k, 3, join) && isWhole(groups, k, k + 2)
    ? k + 2
    : -1
}

/** Whether `123 45 6789` stands at `k`. The caller sees to it that all groups around it are accounted for. */
export const isSpacedSsn = (groups: Groups, k: number): boolean => hasShape(groups, k, shape) && isJoinedBy(groups, k, 3, Join.space)

/**
 * Forms that lost a separator, for a run of groups standing alone: `123456789`, `123-456789`, and `12345-6789` only
 * where the text speaks of social security, because it is the form of a ZIP+4 code.
 */
export const isLooseSsn = (groups: Groups, first: number, last: number, context: Context): boolean => {
  if (!isWhole(groups, first, last) || (groups.marks[first]! & (Mark.amount | Mark.clock)) !== 0) return false
  const alone = joinOf(groups, first) === Join.none && joinOf(groups, last + 1) === Join.none
  const plain = context.ssn || (alone && !context.negative && !context.phone && !context.url && !context.measured)
  if (first === last) return lengthOf(groups, first) === 9 && plain
  if (last !== first + 1 || joinOf(groups, last) !== Join.hyphen) return false
  return (lengthOf(groups, first) === 3 && lengthOf(groups, last) === 6 && plain) ||
    (lengthOf(groups, first) === 5 && lengthOf(groups, last) === 4 && context.ssn)
}
