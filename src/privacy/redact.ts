import { cardAt } from "./card.ts"
import { type Block, blocksOf } from "./blocks.ts"
import { readContext } from "./context.ts"
import { coverEmails } from "./email.ts"
import { extensionEnd } from "./extension.ts"
import { type Groups, isClean, isTight, Join, joinOf, readGroups, take } from "./groups.ts"
import { type Kind, kinds, placeholders, type Span } from "./kinds.ts"
import { endOf, glance, isBlank, opaqueNumber, opaqueWord, view, type View } from "./normalise.ts"
import { digitsMin, internationalAt, isOtherShape, isPhone, northAmericanAt, spacedPhoneLength } from "./phone.ts"
import { isLooseSsn, isSpacedSsn, tightSsnAt } from "./ssn.ts"

/** How to read numbers that do not say where they belong. */
export interface RedactOptions {
  /** ISO 3166 region, such as `DE`: its national numbers count. Without one, North American and common forms do. */
  readonly defaultRegion?: string | undefined
}

export interface Redacted {
  readonly text: string
  /** What was hidden and where in the given text, in order, never overlapping. */
  readonly spans: ReadonlyArray<Span>
}

const nothing: ReadonlyArray<Span> = []

/**
 * Hide e-mail addresses, telephone, social security and payment card numbers. Pure; linear in the length of the text;
 * redacting again changes nothing.
 *
 * Each step covers what it found and later steps see the cover, as a later pass sees the placeholder. That a second pass
 * finds nothing new rests on two rules: a form is recognised by itself, or as a whole run of groups, never in part; and
 * what surrounds it counts the same whether it has been redacted or not.
 *
 * @example redact("call 555-123-4567").text // "call [REDACTED_PHONE]"
 */
export const redact = (text: string, options?: RedactOptions): Redacted => {
  const blocks = blocksOf(text)
  return hidden(text, blocks.length === 0 ? nothing : findIn(text, blocks, options?.defaultRegion))
}

/** The same for the text as one block. Slower, and what `redact` is held to. */
export const redactWhole = (text: string, options?: RedactOptions): Redacted =>
  hidden(text, findIn(text, [{ start: 0, end: text.length, at: true, digits: true, folds: true }], options?.defaultRegion))

const hidden = (text: string, spans: ReadonlyArray<Span>): Redacted => spans.length === 0 ? { text, spans: nothing } : { text: replace(text, spans), spans }

/** Block by block; as they are in order, so are the spans. */
const findIn = (text: string, blocks: ReadonlyArray<Block>, region: string | undefined): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  for (const block of blocks) {
    const { end, folds, start } = block
    const part = start === 0 && end === text.length ? text : text.slice(start, end)
    const seen = folds ? glance(part) : block
    if (!seen.at && !seen.digits) continue
    const isAround = (from: number, to: number) => isMargin(text, start + from, start + to)
    for (const span of find(part, view(part, seen.folds), seen, { region, isAround })) spans.push(start === 0 ? span : { ...span, start: start + span.start, end: start + span.end })
  }
  return spans
}

const replace = (text: string, spans: ReadonlyArray<Span>): string => {
  let redacted = ""
  let position = 0
  for (const span of spans) {
    redacted += text.slice(position, span.start) + placeholders[span.kind]
    position = span.end
  }
  return redacted + text.slice(position)
}

interface Around {
  readonly region: string | undefined
  /** Whether a place in a block is all there is in the whole text, but for a little space. */
  readonly isAround: (start: number, end: number) => boolean
}

const find = (text: string, { codes, origins }: View, seen: { readonly at: boolean; readonly digits: boolean }, { isAround, region }: Around): ReadonlyArray<Span> => {
  const spans: Array<Span> = []
  const add = (kind: Kind, start: number, end: number): void => {
    spans.push(origins === undefined ? { kind, start, end } : { kind, start: origins[start]!, end: endOf(text, origins, end - 1) })
  }
  coverPlaceholders(codes)
  if (seen.at) coverEmails(codes, (start, end) => add("EMAIL", start, end))
  if (seen.digits) {
    const groups = readGroups(codes)
    const found = (kind: Kind, first: number, last: number, end?: number): void => {
      const start = startOf(groups, first, last)
      const to = end ?? groups.end[last]!
      add(kind, start, to)
      take(groups, first, last)
      codes.fill(opaqueNumber, start, to)
    }
    findByForm(groups, found)
    const isAllThere = (start: number, end: number) =>
      isAll(codes, start, end) && (origins === undefined ? isAround(start, end) : isAround(origins[start]!, endOf(text, origins, end - 1)))
    findByContext(groups, found, isAllThere, region)
  }
  return spans.sort((a, b) => a.start - b.start)
}

/** What an earlier pass hid stays hidden, and is seen as what it was. */
const coverPlaceholders = (codes: Uint16Array): void => {
  for (let i = codes.indexOf(0x5b); i >= 0; i = codes.indexOf(0x5b, i + 1)) {
    if (codes[i + 1] !== 0x52) continue
    for (const kind of kinds) {
      const placeholder = placeholders[kind]
      if (!stands(codes, i, placeholder)) continue
      codes.fill(kind === "EMAIL" ? opaqueWord : opaqueNumber, i, i + placeholder.length)
    }
  }
}

const stands = (codes: Uint16Array, i: number, text: string): boolean => {
  for (let k = 0; k < text.length; k++) if (codes[i + k] !== text.charCodeAt(k)) return false
  return true
}

type Found = (kind: Kind, first: number, last: number, end?: number) => void

/** With the sign or bracket that belongs to the number: `+`, `(`, `(+`, `+(`. A bracket only when it closes inside. */
const startOf = (groups: Groups, first: number, last: number): number => {
  const { codes } = groups
  const closes = last > first && codes[groups.end[first]!] === 0x29
  const digits = groups.start[first]!
  const before = codes[digits - 1]
  if (before === 0x2b) return closes && codes[digits - 2] === 0x28 ? digits - 2 : digits - 1
  if (before === 0x28 && closes) return codes[digits - 2] === 0x2b ? digits - 2 : digits - 1
  return digits
}

/** Numbers recognised by themselves: cards, numbers with a country, social security and telephone numbers as printed. */
const findByForm = (groups: Groups, found: Found): void => {
  for (let k = 0; k < groups.start.length; k++) {
    const last = cardAt(groups, k)
    if (last < 0) continue
    found("CREDIT_CARD", k, last)
    k = last
  }
  for (let k = 0; k < groups.start.length; k++) {
    const last = internationalAt(groups, k)
    if (last < 0) continue
    foundWithExtension(groups, found, "PHONE", k, last)
    k = last
  }
  for (let k = 0; k < groups.start.length; k++) {
    const ssn = tightSsnAt(groups, k)
    const phone = ssn < 0 ? northAmericanAt(groups, k) : -1
    if (ssn >= 0) found("SSN", k, ssn)
    else if (phone >= 0) foundWithExtension(groups, found, "PHONE", k, phone)
    k = Math.max(k, ssn, phone)
  }
  for (let k = 0; k < groups.start.length; k++) k = findInChain(groups, found, k)
}

/** An extension goes with its number. Its digits are a group of their own, glued to the letters before it. */
const foundWithExtension = (groups: Groups, found: Found, kind: Kind, first: number, last: number): void => {
  const end = groups.end[last]!
  const to = kind === "PHONE" ? extensionEnd(groups.codes, end) : end
  let taken = last
  while (taken + 1 < groups.start.length && groups.start[taken + 1]! < to) taken++
  found(kind, first, taken, to)
}

/**
 * Groups with single spaces between them, from `k` on: either all of them read as numbers one after another, or none is
 * touched. `123 45 6789` in the middle of a table is a part of the table.
 */
const findInChain = (groups: Groups, found: Found, k: number): number => {
  if (!isChained(groups, k)) return k
  let end = k
  while (joinOf(groups, end + 1) === Join.space && isChained(groups, end + 1)) end++
  const pieces: Array<readonly [Kind, number, number]> = []
  for (let i = k; i <= end;) {
    const phone = spacedPhoneLength(groups, i)
    const length = isSpacedSsn(groups, i) ? 3 : phone
    if (length === 0 || i + length - 1 > end) return end
    pieces.push([phone === 0 || length === 3 && isSpacedSsn(groups, i) ? "SSN" : "PHONE", i, i + length - 1])
    i += length
  }
  for (const [kind, first, last] of pieces) foundWithExtension(groups, found, kind, first, last)
  return end
}

/** A group of its own: no hyphen, dot or slash ties it to others, and no bracket stands right before it. */
const isChained = (groups: Groups, k: number): boolean =>
  isClean(groups, k) && !isTight(joinOf(groups, k)) && !isTight(joinOf(groups, k + 1)) && joinOf(groups, k) !== Join.paren

/** Numbers that only what surrounds them can tell: one decision for each run of joined groups. */
const findByContext = (groups: Groups, found: Found, isAllThere: (start: number, end: number) => boolean, region: string | undefined): void => {
  const contextOf = readContext(groups.codes)
  const { codes } = groups
  for (let first = 0; first < groups.start.length;) {
    const word = wordEnd(groups, first)
    if (!isClean(groups, first) || isOtherShape(groups, first, word)) {
      first = word + 1
      continue
    }
    const last = runEnd(groups, word)
    const end = groups.end[last]!
    if (end - groups.start[first]! >= digitsMin) {
      const to = extensionEnd(codes, end)
      const context = contextOf(groups.start[first]!, end)
      const phone = isPhone(groups, first, last, context, to > end, isAllThere(startOf(groups, first, last), to), region)
      // `123456789` may be either: a telephone number where the words say so
      if (isLooseSsn(groups, first, last, context) && !(phone && context.phone)) found("SSN", first, last)
      else if (phone) foundWithExtension(groups, found, "PHONE", first, last)
    }
    first = last + 1
  }
}

/** Whether nothing but space surrounds `start..end`. Looks no further than a few characters. */
const isAll = (codes: Uint16Array, start: number, end: number): boolean => {
  if (start > marginMax || codes.length - end > marginMax) return false
  for (let i = 0; i < codes.length; i++) if ((i < start || i >= end) && codes[i] !== 0x20 && codes[i] !== 0x0a && codes[i] !== 0x2e) return false
  return true
}

/** The same for the text that what was looked at is a part of; characters nobody sees do not count. */
const isMargin = (text: string, start: number, end: number): boolean => isBlank(text, 0, start, marginMax) && isBlank(text, end, text.length, marginMax)

const marginMax = 4

/** The last group of the run that begins with the word ending at `last`, cut before dates, addresses and identifiers. */
const runEnd = (groups: Groups, last: number): number => {
  while (joinOf(groups, last + 1) !== Join.none && isClean(groups, last + 1)) {
    const next = wordEnd(groups, last + 1)
    if (isOtherShape(groups, last + 1, next)) break
    last = next
  }
  return last
}

/** The last group tied to `k` by hyphens, dots or slashes. */
const wordEnd = (groups: Groups, k: number): number => {
  let last = k
  while (isClean(groups, k) && isTight(joinOf(groups, last + 1)) && isClean(groups, last + 1)) last++
  return last
}
