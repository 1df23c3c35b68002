import { digitsMin } from "./kinds.ts"

/**
 * One plain view of a text for all scanners: full-width forms, Unicode digits, mathematical letters, exotic spaces,
 * dashes and dots become ASCII; characters nobody sees are left out. One entry per character kept, with the way back.
 */
export interface View {
  /** UTF-16 units after folding. Scanners write {@link opaqueWord} and {@link opaqueNumber} over what they found. */
  readonly codes: Uint16Array
  /** Where each entry begins in the text; absent when nothing was folded and entry i is unit i. */
  readonly origins: Int32Array | undefined
}

/** Stands where an e-mail was: neither letter, digit nor separator. */
export const opaqueWord = 0xfffe
/** Stands where a number was: to its neighbours it is still a group of digits. */
export const opaqueNumber = 0xffff

/** The folded form of an invisible character; NUL is one itself. */
const dropped = 0

/** What a text may hold, seen in one pass: nothing at all for most texts. */
export interface Glance {
  readonly at: boolean
  readonly digits: boolean
  readonly folds: boolean
}

/** What must be there for anything to be found, in a text whose characters may have to be folded. */
export const glance = (text: string): Glance => {
  let at = false
  let digits = 0
  let folds = false
  for (let i = 0; i < text.length; i++) {
    let code = text.charCodeAt(i)
    if (code >= 0x80) {
      const folded = (code & 0xf800) === 0xd800 ? foldPair(text, i) : fold(code)
      if (folded !== code) folds = true
      code = folded
    }
    if (code >= 0x30 && code <= 0x39) digits++
    else if (code === 0x40) at = true
    else if (code === dropped) folds = true
    // "at" between spaces or brackets, or written %40 or &#64; (a '4' never stands alone in these)
    else if ((code | 0x20) === 0x74 && !at) at = isSpelledAt(text, i)
    else if ((code === 0x25 || code === 0x23) && !at) at = text.startsWith("40", i + 1) || text.startsWith("64;", i + 1)
  }
  // with folded characters about, a spelled "at" may hide behind them: the scanner proper decides
  return { at: at || folds, digits: digits >= digitsMin, folds }
}

/** A `t` that ends " at " or "(at)". */
const isSpelledAt = (text: string, i: number): boolean =>
  i >= 2 && (text.charCodeAt(i - 1) | 0x20) === 0x61 && !isAsciiWord(text.charCodeAt(i - 2)) && !isAsciiWord(text.charCodeAt(i + 1))

const isAsciiWord = (code: number): boolean => (code >= 0x30 && code <= 0x39) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a)

/** Whether the character at `i`, not of ASCII, stands for itself. */
export const isPlain = (text: string, i: number, code: number): boolean =>
  ((code & 0xf800) === 0xd800 ? foldPair(text, i) : fold(code)) === code

/** Most views are of a line: they share this one, as only one is looked at at a time. */
const shared = new Uint16Array(4096)

/** Good until the next view is made. */
export const view = (text: string, folds: boolean): View => {
  const codes = text.length <= shared.length ? shared.subarray(0, text.length) : new Uint16Array(text.length)
  if (!folds) {
    for (let i = 0; i < text.length; i++) codes[i] = text.charCodeAt(i)
    return { codes, origins: undefined }
  }
  const origins = new Int32Array(text.length)
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const origin = i
    let code = text.charCodeAt(i)
    if ((code & 0xfc00) === 0xd800) {
      const folded = foldPair(text, i)
      if (folded !== code) {
        code = folded
        i++
      }
    } else if (code >= 0x80 && (code & 0xf800) !== 0xd800) code = fold(code)
    if (code === dropped) continue
    codes[length] = code
    origins[length++] = origin
  }
  return { codes: codes.subarray(0, length), origins }
}

/** Whether a part of a text shows nothing but at most `max` spaces, line ends and dots. */
export const isBlank = (text: string, from: number, to: number, max: number): boolean => {
  let shown = 0
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i)
    const isPair = (code & 0xfc00) === 0xd800
    const folded = code < 0x80 ? code : isPair ? foldPair(text, i) : fold(code)
    if (isPair && folded !== code) i++
    if (folded === dropped) continue
    if (++shown > max || (folded !== 0x20 && folded !== 0x0a && folded !== 0x2e)) return false
  }
  return true
}

/** Where entry `index` of a view ends in its text: after both halves of a folded surrogate pair. */
export const endOf = (text: string, origins: Int32Array, index: number): number => {
  const origin = origins[index]!
  return (text.charCodeAt(origin) & 0xfc00) === 0xd800 && (text.charCodeAt(origin + 1) & 0xfc00) === 0xdc00 ? origin + 2 : origin + 1
}

/** Folded forms, 256 characters a page, filled when a text first shows one of them. */
const pages: Array<Uint16Array | undefined> = []

const fold = (code: number): number => (pages[code >> 8] ??= buildPage(code >> 8))[code & 0xff]!

const buildPage = (page: number): Uint16Array => {
  const folded = new Uint16Array(256)
  for (let low = 0; low < 256; low++) {
    const code = (page << 8) | low
    folded[low] = foldOne(code)
  }
  return folded
}

/**
 * Characters without a shape of their own that are not of Unicode's category Cf: joiners, fillers, selectors, keycap. The
 * two noncharacters are among them because scanners use them as covers.
 */
const shapeless = /\p{Variation_Selector}|\p{Cf}|\u034f|\u115f|\u1160|\u17b4|\u17b5|\u20e3|\u3164|\uffa0|\ufffe|\uffff/u
/** Dots of other scripts, as typed inside addresses and numbers. */
const dots = /[\u00b7\u2024\u3002\u30fb\ufe52\uff0e\uff61\uff65]/u
const dashes = /[\u2043\u2212]|\p{Pd}/u

const foldOne = (code: number): number => {
  if (code < 0x80 || (code & 0xf800) === 0xd800) return code
  const character = String.fromCharCode(code)
  if (shapeless.test(character)) return dropped
  if (/\p{Zs}/u.test(character)) return 0x20
  if (dashes.test(character)) return 0x2d
  if (dots.test(character)) return 0x2e
  return plainOf(character, code) ?? code
}

/** The ASCII character this one is a form of, if it is one. */
const plainOf = (character: string, codePoint: number): number | undefined => {
  const compatible = character.normalize("NFKC")
  if (compatible.length === 1 && compatible.charCodeAt(0) < 0x80) return compatible.charCodeAt(0)
  if (!isDigitOfAnyScript(codePoint)) return undefined
  // decimal digits of a script stand in a row from 0 to 9
  let value = 0
  while (isDigitOfAnyScript(codePoint - value - 1)) value++
  return 0x30 + (value % 10)
}

const isDigitOfAnyScript = (codePoint: number): boolean => /\p{Nd}/u.test(String.fromCodePoint(codePoint))

const pairs = new Map<number, number>()

/** The folded form of the pair at `i`, or its own unit when it has none. Only pairs of these ranges fold. */
const foldPair = (text: string, i: number): number => {
  const own = text.charCodeAt(i)
  const point = text.codePointAt(i)!
  if (point < 0x10000) return own
  if (point >= 0xe0000 && point <= 0xe01ef) return dropped
  const digitsOrLetters = (point >= 0x104a0 && point <= 0x11fff) || (point >= 0x16a60 && point <= 0x16bff) ||
    (point >= 0x1d400 && point <= 0x1d7ff) || (point >= 0x1e140 && point <= 0x1e95f) || (point >= 0x1fbf0 && point <= 0x1fbf9)
  if (!digitsOrLetters) return own
  let folded = pairs.get(point)
  if (folded === undefined) pairs.set(point, folded = plainOf(String.fromCodePoint(point), point) ?? own)
  return folded
}
