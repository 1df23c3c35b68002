import { isAsciiLetter, isDigit } from "./characters.ts"
import { digitsMin } from "./kinds.ts"
import { isPlain } from "./normalise.ts"

/**
 * Whole lines of a text in which there may be something to hide. What is in one says nothing about another: neither
 * addresses nor numbers cross the end of a line, and words before it tell nothing behind it, unless it ends with a colon.
 */
export interface Block {
  readonly start: number
  readonly end: number
  readonly at: boolean
  readonly digits: boolean
  /** Characters of it have to be folded first: what is in it, that tells. */
  readonly folds: boolean
}

/** Digits further apart are two numbers (`Join` in groups.ts), and so are those with anything else than these between them. */
const gapMax = 4
const isGap = (code: number): boolean => code === 0x20 || (code >= 0x28 && code <= 0x2f && code !== 0x2a && code !== 0x2c)

const Sign = { plain: 0, digit: 1, at: 2, t: 3, encoded: 4, newline: 5, dropped: 6 } as const
const signs = new Uint8Array(0x80)
for (let digit = 0x30; digit <= 0x39; digit++) signs[digit] = Sign.digit
for (const [text, sign] of [["@", Sign.at], ["tT", Sign.t], ["%#", Sign.encoded], ["\n", Sign.newline], ["\0", Sign.dropped]] as const) {
  for (let i = 0; i < text.length; i++) signs[text.charCodeAt(i)] = sign
}

const none: ReadonlyArray<Block> = []

/** The blocks that are worth a closer look; most often none. */
export const blocksOf = (text: string): ReadonlyArray<Block> => {
  let blocks: Array<Block> | undefined
  let start = 0
  let at = false
  let digits = false
  let folds = false
  /** Digits of the number the last digit belongs to, and where it ends. */
  let count = 0
  let counted = -gapMax
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) {
      folds ||= !isPlain(text, i, code)
      continue
    }
    const sign = signs[code]!
    if (sign === Sign.plain) continue
    if (sign === Sign.digit) {
      if (digits) continue
      count = isJoined(text, counted, i) ? count + 1 : 1
      counted = i + 1
      if (count >= digitsMin) digits = true
    } else if (sign === Sign.newline) {
      if (mayEndWithColon(text, i)) continue
      if (at || digits || folds) (blocks ??= []).push({ start, end: i + 1, at, digits, folds })
      start = i + 1
      at = digits = folds = false
    } else if (sign === Sign.dropped) folds = true
    else if (!at) at = sign === Sign.at || (sign === Sign.t ? isSpelledAt(text, i) : text.startsWith("40", i + 1) || text.startsWith("64;", i + 1))
  }
  if (at || digits || folds) (blocks ??= []).push({ start, end: text.length, at, digits, folds })
  return blocks ?? none
}

const isJoined = (text: string, from: number, to: number): boolean => {
  if (to - from > gapMax) return false
  for (let i = from; i < to; i++) if (!isGap(text.charCodeAt(i))) return false
  return true
}

/** How far back over blank lines and carriage returns a colon is looked for (context.ts). */
const blankMax = 4

/** Where characters before it are not of ASCII or are not seen, one of them may be a colon, or stand behind one. */
const mayEndWithColon = (text: string, newline: number): boolean => {
  let i = newline - 1
  while (newline - i <= blankMax && isBlank(text.charCodeAt(i))) i--
  const code = text.charCodeAt(i)
  return code === 0x3a || code >= 0x80 || code === 0
}

const isBlank = (code: number): boolean => code === 0x20 || code === 0x0d || code === 0x0a

/** A `t` that ends " at " or "(at)", with something like a domain behind it. */
const isSpelledAt = (text: string, i: number): boolean => {
  if (i < 2 || (text.charCodeAt(i - 1) | 0x20) !== 0x61) return false
  const [before, after] = [text.charCodeAt(i - 2), text.charCodeAt(i + 1)]
  return before === 0x20 && after === 0x20 ? isDomainLike(text, i + 2) : !isAsciiWord(before) && !isAsciiWord(after)
}

/** A label and then a dot, or what may be a spelled one: "the moment" is none. */
const isDomainLike = (text: string, from: number): boolean => {
  let i = from
  while (i < text.length && isLabel(text.charCodeAt(i))) i++
  if (i === from) return text.charCodeAt(i) === 0x5b
  const code = text.charCodeAt(i)
  return code === 0x20 ? (text.charCodeAt(i + 1) | 0x20) === 0x64 || isOpening(text.charCodeAt(i + 1)) : code === 0x2e || isOpening(code)
}

/** What is not of ASCII may be a letter. */
const isLabel = (code: number): boolean => code >= 0x80 || isAsciiLetter(code) || isDigit(code) || code === 0x2d
const isOpening = (code: number): boolean => code === 0x28 || code === 0x5b || code === 0x7b || code === 0x3c
const isAsciiWord = (code: number): boolean => isDigit(code) || isAsciiLetter(code)
