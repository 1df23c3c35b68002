import { isAsciiLetter, isDigit, isIdentifier, isNumeric, standsAt } from "./characters.ts"

/** The longest extension, in digits. */
const extensionMax = 7

/** An extension behind a number that ends at `end` (`x623`, ` ext. 12`, ` x 623`): where it ends, or `end` for none. */
export const extensionEnd = (codes: Uint16Array, end: number): number => {
  let i = codes[end] === 0x20 || codes[end] === 0x2c ? end + 1 : end
  if (codes[i] === 0x20 && i > end) i++
  if (standsAt(codes, i, "extension")) i += 9
  else if (standsAt(codes, i, "ext")) i += 3
  else if (standsAt(codes, i, "x")) i += 1
  else return end
  if (isAsciiLetter(codes[i])) return end
  if (codes[i] === 0x2e || codes[i] === 0x3a) i++
  if (codes[i] === 0x20) i++
  let to = i
  while (isDigit(codes[to]) && to - i <= extensionMax) to++
  return to === i || to - i > extensionMax || goesOn(codes, to) ? end : to
}

/** More of a number, or a second one, follows: then the digits are not an extension but its beginning. */
const goesOn = (codes: Uint16Array, i: number): boolean => {
  const next = codes[i]
  if (next === 0x20) return isNumeric(codes[i + 1]) || codes[i + 1] === 0x28 || codes[i + 1] === 0x2b
  return isIdentifier(next) || ((next === 0x2d || next === 0x2e || next === 0x3a) && isNumeric(codes[i + 1]))
}
