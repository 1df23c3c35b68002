import { opaqueNumber } from "./normalise.ts"

/** Questions about one UTF-16 unit of a {@link View}. A unit past the end is `undefined` and answers no. */
export type Unit = number | undefined

export const isDigit = (code: Unit): boolean => code !== undefined && code >= 0x30 && code <= 0x39

export const isAsciiLetter = (code: Unit): boolean => code !== undefined && (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a

/** A digit, or a number that was redacted: what counts as digits beside a number must count after redaction as well. */
export const isNumeric = (code: Unit): boolean => isDigit(code) || code === opaqueNumber

/** A letter of any script, roughly: everything above Latin-1's signs that is neither symbol, punctuation nor surrogate. */
export const isLetter = (code: Unit): boolean =>
  code !== undefined && (isAsciiLetter(code) ||
    (code >= 0xc0 && code !== 0xd7 && code !== 0xf7 && !(code >= 0x2000 && code <= 0x2bff) &&
      !(code >= 0x3000 && code <= 0x303f) && !(code >= 0xd800 && code <= 0xf8ff) && code < 0xfe00))

/**
 * A letter or underscore that makes digits beside it part of an identifier. Only scripts that put spaces between
 * words count: in Chinese or Thai a number stands directly against the text around it.
 */
export const isIdentifier = (code: Unit): boolean =>
  code === 0x5f || isAsciiLetter(code) || (code !== undefined && code >= 0xc0 && code < 0x590 && code !== 0xd7 && code !== 0xf7)

export const isIdeograph = (code: Unit): boolean => code !== undefined && code >= 0x2e80 && code < 0xd7ff && !(code >= 0x3000 && code <= 0x303f)

/** The entries `from..to` as lower-case text. For words: callers bound the length. */
export const wordAt = (codes: Uint16Array, from: number, to: number): string => {
  let word = ""
  for (let i = from; i < to; i++) word += String.fromCharCode(codes[i]!)
  return word.toLowerCase()
}

/** Whether the ASCII lower-case `word` stands at `i`, in either case. */
export const standsAt = (codes: Uint16Array, i: number, word: string): boolean => {
  if (i < 0 || i + word.length > codes.length) return false
  for (let k = 0; k < word.length; k++) {
    const code = codes[i + k]!
    if ((isAsciiLetter(code) ? code | 0x20 : code) !== word.charCodeAt(k)) return false
  }
  return true
}
