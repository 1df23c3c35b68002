import { isAsciiLetter } from "./characters.ts"
import { digitsOf, type Groups, hasShape, isClean, isJoinedBy, isTight, isWhole, Join, joinOf, lengthOf } from "./groups.ts"

/** How cards are printed: Visa and most others, 19 digits, American Express, Diners. */
const shapes: ReadonlyArray<ReadonlyArray<number>> = [[4, 4, 4, 4, 3], [4, 4, 4, 4], [4, 6, 5], [4, 6, 4]]
const lengthMin = 12
const lengthMax = 19

/**
 * The last group of a payment card number that begins at group `k`, or -1: printed or unbroken, with an issuer's
 * prefix and a right check digit (Luhn). Prefixes keep out what is mostly one in ten by chance: clocks, counters, ids.
 */
export const cardAt = (groups: Groups, k: number): number => {
  if (!isClean(groups, k) || groups.codes[groups.start[k]! - 1] === 0x2b) return -1
  const length = lengthOf(groups, k)
  if (length >= lengthMin) {
    return length <= lengthMax && isWhole(groups, k, k) && isCard(digitsOf(groups, k, k, lengthMax), false) ? k : -1
  }
  if (length === 4) return printedAt(groups, k)
  return length === 1 ? spreadAt(groups, k) : -1
}

const printedAt = (groups: Groups, k: number): number => {
  for (const shape of shapes) {
    const last = k + shape.length - 1
    if (!hasShape(groups, k, shape)) continue
    const join = joinOf(groups, k + 1)
    if (join === Join.none || !isJoinedBy(groups, k, shape.length, join)) continue
    if (isTight(join) && !isWhole(groups, k, last)) continue
    if (join === Join.space && isIban(groups, k)) continue
    if (isCard(digitsOf(groups, k, last, lengthMax), true)) return last
  }
  return -1
}

/** `4 1 1 1 …`: digit by digit, and nothing else beside it. */
const spreadAt = (groups: Groups, k: number): number => {
  const join = joinOf(groups, k + 1)
  if (join === Join.none || joinOf(groups, k) !== Join.none) return -1
  let last = k
  while (last - k < lengthMax && joinOf(groups, last + 1) === join && isClean(groups, last + 1) && lengthOf(groups, last + 1) === 1) last++
  return joinOf(groups, last + 1) === Join.none && isCard(digitsOf(groups, k, last, lengthMax + 1), false) ? last : -1
}

/** An IBAN has at most 34 characters: seven groups of four stand before the one we are at. */
const ibanGroupsMax = 7

/** `DE44 5001 0517 …`: groups of four that a country and its check digits lead. */
const isIban = (groups: Groups, k: number): boolean => {
  for (let i = k, steps = 0; steps <= ibanGroupsMax && joinOf(groups, i) === Join.space; steps++) {
    i--
    if (isClean(groups, i) && lengthOf(groups, i) === 4) continue
    const start = groups.start[i]!
    return lengthOf(groups, i) === 2 && isAsciiLetter(groups.codes[start - 1]) && isAsciiLetter(groups.codes[start - 2])
  }
  return false
}

const isCard = (digits: string, printed: boolean): boolean => hasIssuer(digits, printed) && passesLuhn(digits)

/** Issuers by length, as in ISO/IEC 7812's public ranges. */
const hasIssuer = (digits: string, printed: boolean): boolean => {
  const two = Number(digits.slice(0, 2))
  const four = Number(digits.slice(0, 4))
  const maestro = two === 50 || (two >= 56 && two <= 69)
  switch (digits.length) {
    case 12:
      return maestro || four === 604
    case 13:
      return two >= 40 && two <= 49
    case 14:
      return two === 30 || two === 36 || two === 38 || two === 39 || maestro
    case 15:
      return two === 34 || two === 37 || four === 1800 || four === 2131 || (two >= 10 && two <= 12) || maestro
    case 16:
      // Mir 2200–2204, Mastercard 2221–2720, RuPay 81 and 82, Uzcard 86, Troy 97, Humo 98; a leading 0 only as printed
      return (four >= 2200 && four <= 2204) || (four >= 2221 && four <= 2720) || (two >= 30 && two <= 69) || two === 81 || two === 82 ||
        two === 86 || two === 97 || two === 98 || (printed && two < 10)
    default:
      return digits.length <= lengthMax && digits.length > 16 && ((two >= 40 && two <= 49) || maestro || two === 81)
  }
}

const passesLuhn = (digits: string): boolean => {
  let sum = 0
  for (let i = 0; i < digits.length; i++) {
    const digit = digits.charCodeAt(digits.length - 1 - i) - 0x30
    const doubled = i % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}
