import { isAsciiLetter, isDigit, isIdeograph, isLetter, standsAt, type Unit, wordAt } from "./characters.ts"
import { opaqueWord } from "./normalise.ts"

/**
 * E-mail addresses: `local@domain.tld` in any script, quoted local parts, domain literals, `%40` and `&#64;` for the
 * sign, and the spelled forms people use against harvesters: `john (at) example [dot] com`, `john at gmail.com`.
 *
 * Every sign is looked at once, walking left to the end of the word and right to the end of the domain. Both walks
 * stop at the next sign, so the whole is linear. What was found is covered, so that later scanners do not see it.
 */
export const coverEmails = (codes: Uint16Array, found: (start: number, end: number) => void): void => {
  let floor = 0
  for (let i = 0; i < codes.length; i++) {
    const sign = signAt(codes, i)
    if (sign === undefined) continue
    const start = localStart(codes, sign.from, floor, sign.spelled)
    if (start < 0) continue
    const domain = domainAt(codes, sign.to)
    if (domain === undefined || !isAddress(codes, start, sign, domain)) continue
    found(start, domain.end)
    codes.fill(opaqueWord, start, domain.end)
    floor = domain.end
    i = domain.end - 1
  }
}

interface Sign {
  /** End of the local part, beginning of the domain. */
  readonly from: number
  readonly to: number
  /** A word or a bracketed sign instead of a bare `@`. */
  readonly spelled: boolean
  /** Nothing but spaces around it: common in plain prose, so more evidence is asked for. */
  readonly prose: boolean
}

const signAt = (codes: Uint16Array, i: number): Sign | undefined => {
  const code = codes[i]!
  if (code === 0x40) {
    if (isBracketed(codes, i, i + 1)) return bracketed(codes, i, i + 1)
    const prose = codes[i - 1] === 0x20 && codes[i + 1] === 0x20
    return prose ? { from: i - 1, to: i + 2, spelled: true, prose } : { from: i, to: i + 1, spelled: false, prose }
  }
  if (code === 0x25 && standsAt(codes, i, "%40")) return { from: i, to: i + 3, spelled: false, prose: false }
  if (code === 0x26 && standsAt(codes, i, "&#64;")) return { from: i, to: i + 5, spelled: false, prose: false }
  if ((code | 0x20) === 0x61 && standsAt(codes, i, "at")) {
    if (isBracketed(codes, i, i + 2)) return bracketed(codes, i, i + 2)
    if (codes[i - 1] === 0x20 && codes[i + 2] === 0x20) return { from: i - 1, to: i + 3, spelled: true, prose: true }
  }
  return undefined
}

const closing: Readonly<Record<number, number>> = { 0x28: 0x29, 0x5b: 0x5d, 0x7b: 0x7d, 0x3c: 0x3e }

const isBracketed = (codes: Uint16Array, from: number, to: number): boolean =>
  from > 0 && closing[codes[from - 1]!] !== undefined && closing[codes[from - 1]!] === codes[to]

/** A bracketed sign with at most one space on either side. */
const bracketed = (codes: Uint16Array, from: number, to: number): Sign => ({
  from: codes[from - 2] === 0x20 ? from - 2 : from - 1,
  to: codes[to + 1] === 0x20 ? to + 2 : to + 1,
  spelled: true,
  prose: false
})

/** RFC 5321's atoms, less the signs that in texts stand between an address and something else: `/ = ? & { } ! ^` and the backtick. */
const isLocal = (code: Unit): boolean =>
  isLetter(code) || isDigit(code) || code === 0x2e || code === 0x5f || code === 0x25 || code === 0x2b || code === 0x2d ||
  code === 0x27 || code === 0x7e || code === 0x7c || code === 0x2a || code === 0x24 || code === 0x23

/** The longest quoted local part looked for: 64 characters and its quotes. */
const quotedMax = 66
/** Spelled dots followed to the left: "john dot q dot public (at) …". */
const localPartsMax = 4

const localStart = (codes: Uint16Array, end: number, floor: number, spelled: boolean): number => {
  if (codes[end - 1] === 0x22) {
    for (let i = end - 2; i >= floor && end - i <= quotedMax; i--) {
      if (codes[i] === 0x22 && codes[i - 1] !== 0x5c) return i
      if (codes[i] === 0x0a) break
    }
    return -1
  }
  let start = atomStart(codes, end, floor)
  if (!spelled || start < 0) return start
  for (let parts = 1; parts < localPartsMax; parts++) {
    const dot = dotBefore(codes, start)
    const earlier = dot < 0 ? -1 : atomStart(codes, dot, floor)
    if (earlier < 0) break
    start = earlier
  }
  return start
}

const atomStart = (codes: Uint16Array, end: number, floor: number): number => {
  let start = end
  // an encoded sign ends the walk like a plain one, or `%40%40…` would be walked again from every sign
  while (start > floor && isLocal(codes[start - 1]) && !(codes[start - 3] === 0x25 && standsAt(codes, start - 3, "%40"))) start--
  while (start < end && !isLetter(codes[start]) && !isDigit(codes[start]) && codes[start] !== 0x5f) start++
  if (start === end) return -1
  // "联系john@…": the address begins where the ideographs before it end, unless it is ideographs throughout
  let latin = start
  while (latin < end && isIdeograph(codes[latin])) latin++
  return latin < end && latin > start && (isAsciiLetter(codes[latin]) || isDigit(codes[latin])) ? latin : start
}

interface Domain {
  readonly end: number
  readonly firstLabel: string
  readonly topLevel: string
  readonly spelledDot: boolean
}

const isLabel = (code: Unit): boolean => isLetter(code) || isDigit(code) || code === 0x2d

const domainAt = (codes: Uint16Array, from: number): Domain | undefined => {
  if (codes[from] === 0x5b) return literalAt(codes, from)
  let end = -1
  let topLevel = ""
  let spelledDot = false
  let position = from
  let firstLabel = ""
  for (let labels = 0; ; labels++) {
    let labelEnd = position
    while (isLabel(codes[labelEnd])) labelEnd++
    if (labelEnd === position) break
    if (labels === 0) firstLabel = wordAt(codes, position, Math.min(labelEnd, position + 63))
    else {
      const top = topLevelEnd(codes, position, labelEnd)
      if (top > 0) {
        end = top
        topLevel = wordAt(codes, position, Math.min(top, position + 63))
      }
    }
    const dot = dotAt(codes, labelEnd)
    if (dot < 0) break
    if (dot > labelEnd + 1) spelledDot = true
    position = dot
  }
  return end < 0 ? undefined : { end, firstLabel, topLevel, spelledDot }
}

/** A top-level domain is letters, at least two, or punycode; what is glued to it ("com123-45-6789") is another thing. */
const topLevelEnd = (codes: Uint16Array, from: number, to: number): number => {
  if (standsAt(codes, from, "xn--") && to > from + 4) return to
  let end = from
  while (end < to && isLetter(codes[end])) end++
  return end - from >= 2 ? end : -1
}

const literalMax = 48

const literalAt = (codes: Uint16Array, from: number): Domain | undefined => {
  for (let i = from + 1; i < codes.length && i - from <= literalMax; i++) {
    if (codes[i] === 0x5d && i > from + 3) return { end: i + 1, firstLabel: "", topLevel: "", spelledDot: false }
    if (!isDigit(codes[i]) && !isAsciiLetter(codes[i]) && codes[i] !== 0x2e && codes[i] !== 0x3a) break
  }
  return undefined
}

const spelledDots = ["(dot)", "[dot]", "{dot}", "<dot>", "(.)", "[.]"] as const

/** Where the next label begins when a dot, spelled or not, stands at `i`; else -1. */
const dotAt = (codes: Uint16Array, i: number): number => {
  if (codes[i] === 0x2e) return isLabel(codes[i + 1]) ? i + 1 : -1
  const space = codes[i] === 0x20 ? 1 : 0
  if (space === 1 && standsAt(codes, i, " dot ")) return i + 5
  for (const dot of spelledDots) {
    if (standsAt(codes, i + space, dot)) return i + space + dot.length + (codes[i + space + dot.length] === 0x20 ? 1 : 0)
  }
  return -1
}

/** Where the atom before a spelled dot ends when that dot ends at `end`; else -1. */
const dotBefore = (codes: Uint16Array, end: number): number => {
  if (standsAt(codes, end - 5, " dot ")) return end - 5
  const space = codes[end - 1] === 0x20 ? 1 : 0
  for (const dot of spelledDots) {
    const start = end - space - dot.length
    if (standsAt(codes, start, dot)) return codes[start - 1] === 0x20 ? start - 1 : start
  }
  return -1
}

/** File names and units that are never a top-level domain: `icon@2x.png`, `getty@tty1.service`. */
const notTopLevel = new Set(
  ("png jpg jpeg gif svg webp ico js mjs cjs ts tsx jsx css html json tgz gz tar exe dll deb rpm yml yaml xml log conf txt lock " +
    "service socket mount timer slice scope").split(" ")
)
const commonTopLevel = new Set("com org net edu gov mil int info biz".split(" "))
/** Where people have mailboxes: enough evidence for "john at gmail.com". */
const providers = new Set(
  ("gmail googlemail yahoo ymail hotmail outlook live msn icloud aol gmx web mail email proton protonmail pm fastmail yandex " +
    "zoho qq 163 126 tutanota hey").split(" ")
)
const articles = new Set(["the", "a", "an", "this", "that", "my", "your", "our", "their"])

const isAddress = (codes: Uint16Array, start: number, sign: Sign, domain: Domain): boolean => {
  if (notTopLevel.has(domain.topLevel)) return false
  if (sign.prose) return !articles.has(domain.firstLabel) && (domain.spelledDot || providers.has(domain.firstLabel) || mailIsNamed(codes, start))
  // `git@github.com:owner/name` names a server
  if (codes[domain.end] === 0x3a && wordAt(codes, start, Math.min(sign.from, start + 4)) === "git") return false
  // `weights@inputs.transpose()` is a product of matrices
  return codes[domain.end] !== 0x28 || (codes[domain.end + 1] !== 0x29 && codes[domain.end + 1] !== 0x2d) || domain.topLevel.length === 2 || commonTopLevel.has(domain.topLevel)
}

const mailWordsBefore = 4

/** Whether one of the words just before says that an address follows: "my e-mail is john at corp.example". */
const mailIsNamed = (codes: Uint16Array, start: number): boolean => {
  let end = start
  for (let words = 0; words < mailWordsBefore; words++) {
    let gap = 0
    while (gap < 3 && (codes[end - 1] === 0x20 || codes[end - 1] === 0x3a || codes[end - 1] === 0x3d || codes[end - 1] === 0x22)) {
      end--
      gap++
    }
    let from = end
    while (end - from < 12 && (isAsciiLetter(codes[from - 1]) || codes[from - 1] === 0x2d || codes[from - 1] === 0x27)) from--
    if (from === end) return false
    const word = wordAt(codes, from, end)
    if (word === "mail" || word === "email" || word === "e-mail" || word === "mails" || word === "mailto" || word === "write") return true
    end = from
  }
  return false
}
