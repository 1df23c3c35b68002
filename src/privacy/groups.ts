import { isAsciiLetter, isDigit, isIdentifier, isNumeric, wordAt } from "./characters.ts"
import { extensionEnd } from "./extension.ts"
import { opaqueNumber } from "./normalise.ts"

/** What stands between a group of digits and the one before it, when they can be one number. */
export const Join = { none: 0, space: 1, hyphen: 2, dot: 3, slash: 4, paren: 5 } as const
export type Join = (typeof Join)[keyof typeof Join]

/** What is known about one group. */
export const Mark = {
  /** Glued to letters or part of an identifier (`a716-446655440000`, `v2026.2.9`): never redacted, never bridged. */
  dirty: 1,
  /** A number already redacted, here or in an earlier pass, or the extension of one. */
  taken: 2,
  /** Directly after a currency sign or `#`. */
  amount: 4,
  /** Digits on the other side of a colon: a time, an address, a ratio. */
  clock: 8
} as const

/** All groups of digits of a text, in order. Parallel arrays: a hostile text has a quarter of a million of them. */
export interface Groups {
  readonly codes: Uint16Array
  readonly start: Array<number>
  readonly end: Array<number>
  readonly join: Array<Join>
  readonly marks: Array<number>
}

export const readGroups = (codes: Uint16Array): Groups => {
  const groups: Groups = { codes, start: [], end: [], join: [], marks: [] }
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!
    if ((code < 0x30 || code > 0x39) && code !== opaqueNumber) continue
    let end = i + 1
    if (code === opaqueNumber) while (codes[end] === opaqueNumber) end++
    else while (isDigit(codes[end])) end++
    add(groups, i, end, code === opaqueNumber)
    i = end - 1
  }
  // `a716-446655440000`, `2.6.10-rc3`: what a dot or hyphen ties to an identifier belongs to it, on both sides
  for (let k = 1; k < groups.start.length; k++) tie(groups, k, k - 1)
  for (let k = groups.start.length - 1; k > 0; k--) tie(groups, k - 1, k)
  return groups
}

/** " extension: " */
const extensionWordMax = 13

const tie = (groups: Groups, k: number, neighbour: number): void => {
  const join = groups.join[Math.max(k, neighbour)]!
  if ((join === Join.hyphen || join === Join.dot) && (groups.marks[neighbour]! & Mark.dirty) !== 0 && (groups.marks[k]! & Mark.taken) === 0) {
    groups.marks[k]! |= Mark.dirty
  }
}

const add = (groups: Groups, start: number, end: number, taken: boolean): void => {
  const { codes } = groups
  const k = groups.start.length
  groups.join.push(k === 0 ? Join.none : joinBetween(codes, groups.end[k - 1]!, start))
  groups.start.push(start)
  groups.end.push(end)
  // an extension belongs to the number before it and to nothing behind it
  const extension = k > 0 && start - groups.end[k - 1]! <= extensionWordMax && extensionEnd(codes, groups.end[k - 1]!) > start
  groups.marks.push(taken || extension ? Mark.taken : marksOf(codes, start, end))
}

const joinBetween = (codes: Uint16Array, from: number, to: number): Join => {
  if (to - from > 4) return Join.none
  // an opening bracket or plus goes with the number behind it: the join must not depend on whether it is still there
  let open = to
  while (open > from && (codes[open - 1] === 0x28 || codes[open - 1] === 0x2b)) open--
  return open === from ? Join.paren : separatorOf(codes, from, open)
}

const separatorOf = (codes: Uint16Array, from: number, to: number): Join => {
  let parens = 0
  let spaces = 0
  let join: Join = Join.none
  for (let i = from; i < to; i++) {
    const code = codes[i]!
    if (code === 0x29) parens++
    else if (code === 0x20) spaces++
    else if (join !== Join.none) return Join.none
    else if (code === 0x2d) join = Join.hyphen
    else if (code === 0x2e) join = Join.dot
    else if (code === 0x2f) join = Join.slash
    else return Join.none
  }
  if (parens > 0) return Join.paren
  if (join === Join.none) return spaces === 1 ? Join.space : Join.none
  // "555 - 123 - 4567" is one number; "end. 42" and "1, 2" are not
  return spaces === 0 || (join === Join.hyphen && spaces === 2 && codes[from + 1] === 0x2d) ? join : Join.none
}

const marksOf = (codes: Uint16Array, start: number, end: number): number => {
  let marks = 0
  if (isIdentifier(codes[start - 1]) && !isLabelBefore(codes, start)) marks |= Mark.dirty
  if (isIdentifier(codes[end]) && !isExtensionAt(codes, end)) marks |= Mark.dirty
  if (codes[end] === 0x2d && isSuffix(codes, end + 1)) marks |= Mark.dirty
  if (codes[start - 1] === 0x2d && isPrefix(codes, start - 1)) marks |= Mark.dirty
  const before = codes[start - 1]
  if (before === 0x23 || before === 0x24 || before === 0x20ac || before === 0xa3 || before === 0xa5) marks |= Mark.amount
  if ((before === 0x3a && isNumeric(codes[start - 2])) || (codes[end] === 0x3a && isNumeric(codes[end + 1]))) marks |= Mark.clock
  return marks
}

const labels = new Set(["tel", "phone", "mobile", "cell", "fax", "ssn", "card", "cc", "visa", "no", "nr"])

/** `tel5551234567`: a label somebody forgot to put a space after. */
const isLabelBefore = (codes: Uint16Array, start: number): boolean => {
  let from = start
  while (start - from <= 6 && isAsciiLetter(codes[from - 1])) from--
  return from < start && !isIdentifier(codes[from - 1]) && !isDigit(codes[from - 1]) && labels.has(wordAt(codes, from, start))
}

/** An `x` or `ext` of its own behind a number begins an extension, whatever follows: what does may be redacted by then. */
const isExtensionAt = (codes: Uint16Array, i: number): boolean =>
  (codes[i]! | 0x20) === 0x78
    ? !isAsciiLetter(codes[i + 1]) && codes[i + 1] !== 0x5f
    : (codes[i]! | 0x20) === 0x65 && wordAt(codes, i, Math.min(i + 3, codes.length)) === "ext"

/** `-A`, `-rc3`, `-e29b` after a number: it is a part number, a version, an id. `-Office` is not. */
const isSuffix = (codes: Uint16Array, from: number): boolean => {
  let end = from
  while (end - from < 3 && isAsciiLetter(codes[end])) end++
  return (end === from + 1 || (end === from + 2 && isDigit(codes[end]))) && !isExtensionAt(codes, from)
}

/** The longest piece of an identifier looked at before a hyphen. */
const prefixMax = 12

/** `beef-` or `41d-` before a number: a group of a UUID. `tel-` is not. */
const isPrefix = (codes: Uint16Array, hyphen: number): boolean => {
  let from = hyphen
  let letters = 0
  let hex = true
  while (hyphen - from < prefixMax && (isAsciiLetter(codes[from - 1]) || isDigit(codes[from - 1]))) {
    from--
    if (isAsciiLetter(codes[from])) {
      letters++
      if ((codes[from]! | 0x20) > 0x66) hex = false
    }
  }
  // digits right before the hyphen are a group, and tell for themselves
  if (!isAsciiLetter(codes[hyphen - 1])) return false
  // "555x-" is the end of a number, redacted or not
  if (letters === 1 && (codes[hyphen - 1]! | 0x20) === 0x78) return false
  return letters > 0 && (letters < hyphen - from || (hex && letters === 4))
}

/** Neither part of an identifier nor redacted already. */
export const isClean = (groups: Groups, k: number): boolean =>
  k >= 0 && k < groups.start.length && (groups.marks[k]! & (Mark.dirty | Mark.taken)) === 0

export const lengthOf = (groups: Groups, k: number): number => k < groups.start.length && k >= 0 ? groups.end[k]! - groups.start[k]! : 0

/** How group `k` hangs on the one before it; `none` beyond either end. */
export const joinOf = (groups: Groups, k: number): Join => k > 0 && k < groups.start.length ? groups.join[k]! : Join.none

/** A hyphen, dot or slash: the groups on both sides are one word. */
export const isTight = (join: Join): boolean => join === Join.hyphen || join === Join.dot || join === Join.slash

/** Whether the groups from `k` on, all clean, have these lengths. */
export const hasShape = (groups: Groups, k: number, lengths: ReadonlyArray<number>): boolean => {
  for (let i = 0; i < lengths.length; i++) if (!isClean(groups, k + i) || lengthOf(groups, k + i) !== lengths[i]) return false
  return true
}

/** Whether all joins inside the `count` groups from `k` on are `join`. */
export const isJoinedBy = (groups: Groups, k: number, count: number, join: Join): boolean => {
  for (let i = 1; i < count; i++) if (joinOf(groups, k + i) !== join) return false
  return true
}

/** Whether groups `first..last` are a whole word: no hyphen, dot or slash ties them to a number on either side. */
export const isWhole = (groups: Groups, first: number, last: number): boolean =>
  !isTight(joinOf(groups, first)) && !isTight(joinOf(groups, last + 1))

/** The digits of groups `first..last`, at most `max` of them. */
export const digitsOf = (groups: Groups, first: number, last: number, max: number): string => {
  let digits = ""
  for (let k = first; k <= last && digits.length < max; k++) {
    for (let i = groups.start[k]!; i < groups.end[k]! && digits.length < max; i++) digits += String.fromCharCode(groups.codes[i]!)
  }
  return digits
}

export const take = (groups: Groups, first: number, last: number): void => {
  for (let k = first; k <= last; k++) groups.marks[k]! |= Mark.taken
}
