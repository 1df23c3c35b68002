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
 * where another of these or the text speaks of social security, because it is the form of a ZIP+4 code.
 */
export const isLooseSsn = (groups: Groups, first: number, last: number, context: Context): boolean => {
  if (!isWhole(groups, first, last) || (groups.marks[first]! & (Mark.amount | Mark.clock)) !== 0) return false
  const alone = joinOf(groups, first) === Join.none && joinOf(groups, last + 1) === Join.none
  const plain = context.ssn || (alone && !context.negative && !context.url && !context.measured)
  if (first === last) return lengthOf(groups, first) === 9 && plain
  let sure = context.ssn
  for (let k = first; k < last; k += 2) {
    const lengths = [lengthOf(groups, k), lengthOf(groups, k + 1)]
    const halved = joinOf(groups, k + 1) === Join.hyphen && (k === first || joinOf(groups, k) === Join.space)
    if (!halved || !((lengths[0] === 3 && lengths[1] === 6) || (lengths[0] === 5 && lengths[1] === 4))) return false
    if (lengths[0] === 3 && plain) sure = true
  }
  return sure && (last - first) % 2 === 1
}
