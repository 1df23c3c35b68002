import { type CountryCode, getCountries, getCountryCallingCode, isSupportedCountry, Metadata, parsePhoneNumberFromString } from "libphonenumber-js"
import { isDigit, isNumeric } from "./characters.ts"
import type { Context } from "./context.ts"
import { digitsOf, type Groups, hasShape, isClean, isTight, isWhole, Join, joinOf, lengthOf, Mark } from "./groups.ts"

/** Digits of the longest number of the world (E.164), and one more for a trunk zero written in brackets. */
const digitsMax = 15
/** The shortest a person would write out. */
export const digitsMin = 7

/**
 * A number with its country in front (`+41 (0)69 979 80 58`, `+(44) 20 …`, `0041 69 …`): the last group, or -1.
 *
 * What stands there may be longer than the number ("+1 415 555 0132 2026"), so the longest beginning wins whose length
 * the numbering plan of that country allows.
 */
export const internationalAt = (groups: Groups, k: number): number => {
  if (!isClean(groups, k)) return -1
  const plus = isPlusBefore(groups, k)
  // without a plus, a lone row of digits that starts with 00 is more often padding
  if (!plus && (!startsWithZeros(groups, k) || joinOf(groups, k + 1) === Join.none || joinOf(groups, k) !== Join.none)) return -1
  if (isDate(groups, k)) return -1
  let digits = ""
  let best = -1
  for (let last = k; isClean(groups, last) && (last === k || joinOf(groups, last) !== Join.none); last++) {
    if (last > k && isPlusBefore(groups, last)) break
    if (!isTrunkZero(groups, last)) digits += digitsOf(groups, last, last, digitsMax + 3)
    if (!plus && last === k) digits = digits.slice(2)
    if (digits.length > digitsMax) break
    const next = joinOf(groups, last + 1)
    if ((plus || last > k) && !isTight(next) && (digits.length < shortMax ? next === Join.none && isShortNumber(digits) : fitsPlan(digits))) best = last
  }
  return best
}

const isPlusBefore = (groups: Groups, k: number): boolean => {
  const { codes } = groups
  let i = groups.start[k]! - 1
  if (codes[i] === 0x28) i--
  return codes[i] === 0x2b && codes[i - 1] !== 0x2b && !isNumeric(codes[i - 1])
}

const startsWithZeros = (groups: Groups, k: number): boolean => {
  const start = groups.start[k]!
  return groups.codes[start] === 0x30 && groups.codes[start + 1] === 0x30 && isDigit(groups.codes[start + 2]) && groups.codes[start + 2] !== 0x30
}

const isTrunkZero = (groups: Groups, k: number): boolean =>
  lengthOf(groups, k) === 1 && groups.codes[groups.start[k]!] === 0x30 && groups.codes[groups.start[k]! - 1] === 0x28 && groups.codes[groups.end[k]!] === 0x29

/** Lengths of national numbers by calling code, from the library's metadata: a look-up instead of a parse per candidate. */
let plans: Map<string, ReadonlySet<number>> | undefined

const readPlans = (): Map<string, ReadonlySet<number>> => {
  const byCode = new Map<string, Set<number>>()
  const metadata = new Metadata()
  for (const country of getCountries()) {
    metadata.selectNumberingPlan(country)
    const code = getCountryCallingCode(country)
    const lengths = byCode.get(code) ?? new Set()
    for (const length of metadata.numberingPlan?.possibleLengths() ?? []) lengths.add(length)
    byCode.set(code, lengths)
  }
  return byCode
}

/** "+98 9601" is somebody, "+980000" is a gain: so few digits have to be a number in use. */
const isShortNumber = (digits: string): boolean => digits.length > 5 && parsePhoneNumberFromString(`+${digits}`)?.isValid() === true

const noCountry = new Set(["800", "808", "870", "878", "881", "882", "883", "888", "979"])

/** Plans change faster than libraries (Benin went from 8 digits to 10): outside +1 a common length will do. */
const commonMin = 7
/** Below this many digits, country included, a number is looked up instead of measured. */
const shortMax = 8
const commonMax = 10

const fitsPlan = (digits: string): boolean => {
  plans ??= readPlans()
  for (let length = 1; length <= 3; length++) {
    const code = digits.slice(0, length)
    const lengths = plans.get(code)
    if (lengths === undefined) continue
    const national = digits.length - length
    return lengths.has(national) || (code !== "1" && national >= commonMin && national <= commonMax)
  }
  // satellite, freephone and other numbers of no country: rare enough to ask the parser
  return noCountry.has(digits.slice(0, 3)) && parsePhoneNumberFromString(`+${digits}`)?.isPossible() === true
}

/**
 * A North American number in one of its written forms (`(555) 123-4567`, `1-555-123-4567`, `555.123.4567`,
 * `312 515-2239`), whether or not that area code exists: the last group, or -1. All-space forms: {@link spacedPhoneLength}.
 */
export const northAmericanAt = (groups: Groups, k: number): number => {
  const area = hasCountryOne(groups, k) ? k + 1 : k
  const last = area + 2
  if (!hasShape(groups, area, [3, 3, 4])) return -1
  const joins = [joinOf(groups, area + 1), joinOf(groups, last)]
  if (joins.includes(Join.none) || joins.includes(Join.slash)) return -1
  if (joins[0] === Join.space && joins[1] === Join.space) return -1
  return isWhole(groups, k, last) ? last : -1
}

/** `1` or `001`, with more behind it. */
const hasCountryOne = (groups: Groups, k: number): boolean => {
  const length = lengthOf(groups, k)
  if ((length !== 1 && length !== 3) || groups.codes[groups.end[k]! - 1] !== 0x31) return false
  return isClean(groups, k) && joinOf(groups, k + 1) !== Join.none && (length === 1 || startsWithZeros(groups, k))
}

/** How many groups of a spaced number begin at `k`: `555 123 4567`, `1 555 123 4567`; else 0. */
export const spacedPhoneLength = (groups: Groups, k: number): number => {
  if (hasShape(groups, k, [3, 3, 4])) return 3
  return hasCountryOne(groups, k) && hasShape(groups, k + 1, [3, 3, 4]) ? 4 : 0
}

/** A number nobody would call a telephone number whatever stands beside it: dates, IP addresses, decimals. */
export const isOtherShape = (groups: Groups, first: number, last: number): boolean => {
  const join = joinOf(groups, first + 1)
  if (last === first + 1 && join === Join.dot) return true
  if (last === first + 3 && join === Join.dot) return isAddress(groups, first)
  return last === first + 2 && isDate(groups, first)
}

const isAddress = (groups: Groups, first: number): boolean => {
  for (let k = first; k < first + 4; k++) if (Number(digitsOf(groups, k, k, 4)) > 255) return false
  return true
}

/** `2026-11-22`, `22/11/2026`, `1.2.26` as a whole word. */
const isDate = (groups: Groups, k: number): boolean => {
  if (!isTight(joinOf(groups, k + 1)) || joinOf(groups, k + 1) !== joinOf(groups, k + 2) || isTight(joinOf(groups, k + 3))) return false
  const lengths = [lengthOf(groups, k), lengthOf(groups, k + 1), lengthOf(groups, k + 2)] as const
  return lengths[1] <= 2 && ((lengths[0] === 4 && lengths[2] <= 2) || (lengths[0] <= 2 && (lengths[2] === 4 || lengths[2] === 2)))
}

/** A run as a telephone directory might print it, longest: with an area code, an exchange, and somebody's second number behind. */
const runMax = 40

/** Whether a whole run of groups is a telephone number, by what surrounds it, its form, or the rules of a region. */
export const isPhone = (groups: Groups, first: number, last: number, context: Context, extended: boolean, whole: boolean, region: string | undefined): boolean => {
  const marks = groups.marks[first]!
  if (!isWhole(groups, first, last) || (marks & Mark.amount) !== 0 || hasClock(groups, first, last)) return false
  const digits = digitsOf(groups, first, last, runMax + 1)
  if (digits.length < digitsMin || digits.length > runMax || context.measured) return false
  const written = last > first
  if (context.phone && (written || !context.url)) return true
  if (digits.length > digitsMax) return false
  const long = written || (digits.length >= 10 && digits.length <= 13)
  if ((extended || context.phoneAfter) && long) return true
  if (context.call && !context.url && long && (written || !isClockLike(digits))) return true
  // with a plus it would have been recognised as international, were it one
  if (context.url || context.negative || isPlusBefore(groups, first)) return false
  if (whole && (region === undefined || !isSupportedCountry(region) ? isNorthAmerican(digits) : isValid(digits, region))) return true
  return (written && isTrunkForm(groups, first, last, digits)) ||
    (region !== undefined && (written || digits.startsWith("0")) && isValid(digits, region))
}

const hasClock = (groups: Groups, first: number, last: number): boolean => {
  for (let k = first; k <= last; k++) if ((groups.marks[k]! & Mark.clock) !== 0) return true
  return false
}

/** Ten digits that can be dialled in North America, or eleven with the 1: an answer to "what's your number?". */
const isNorthAmerican = (digits: string): boolean => /^1?[2-9]\d{9}$/.test(digits)

/** Seconds or milliseconds since 1970, from 2001 to 2033. */
const isClockLike = (digits: string): boolean => digits.startsWith("1") && (digits.length === 10 || digits.length === 13)

/**
 * `0494 92 82 32`, `082 490 1693`, `06 12 34 56 78`: the trunk zero of most of the world, at least three groups of two to
 * five digits. Nine digits at least, so that neither dates nor addresses fit.
 */
const isTrunkForm = (groups: Groups, first: number, last: number, digits: string): boolean => {
  if (digits.charCodeAt(0) !== 0x30 || digits.charCodeAt(1) === 0x30 || digits.length < 9 || digits.length > 11 || last < first + 2) return false
  if (joinOf(groups, first) !== Join.none || joinOf(groups, last + 1) !== Join.none) return false
  for (let k = first; k <= last; k++) if (lengthOf(groups, k) < 2 || lengthOf(groups, k) > 5) return false
  return true
}

const isValid = (digits: string, region: string): boolean =>
  isSupportedCountry(region) && parsePhoneNumberFromString(digits, region satisfies CountryCode)?.isValid() === true
