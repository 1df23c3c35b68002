import { isAsciiLetter, isDigit, isIdeograph, isLetter, standsAt, wordAt } from "./characters.ts"
import { opaqueNumber, opaqueWord } from "./normalise.ts"

/** What the words around a number say about it. */
export interface Context {
  /** A word for telephones is close: "phone", "fax", a label like "Desk:". */
  readonly phone: boolean
  /** A word that often leads to one: "call me on", "messages to". */
  readonly call: boolean
  readonly ssn: boolean
  /** The nearest word names another kind of number: an order, an account, a version. */
  readonly negative: boolean
  /** Inside a URL. */
  readonly url: boolean
  /** A unit follows: bytes, users, rows. */
  readonly measured: boolean
  /** "office", "fax", "mobile" follows and ends the line or is hyphenated to the number. */
  readonly phoneAfter: boolean
}

type Class = "phone" | "label" | "call" | "number" | "ssn" | "negative"

const words = new Map<string, Class>()
/** By first letter: a bit for each length a known word has. Most words of a text need no closer look. */
const lengths = new Uint32Array(26)
const say = (kind: Class, text: string): void => {
  for (const word of text.split(" ")) {
    words.set(word, kind)
    const letter = word.charCodeAt(0) - 0x61
    if (letter >= 0 && letter < 26) lengths[letter]! |= 1 << word.length
  }
}
say("phone", "phone phones telephone telephones tel tels fax telefax mobile mobiles cell cellphone cellular whatsapp sms voicemail pager hotline " +
  "landline callback handy telefon telefoon telefono teléfono téléphone telefone telefonnummer rufnummer handynummer mobil mobilnummer mobiel móvil " +
  "movil celular cellulare portable puhelin телефон тел номер моб мобильный факс τηλέφωνο τηλ")
say("label", "desk office home work direct main contact mob cel ph p t m f h w switchboard")
say("call", "call calls called calling dial ring reach answering text message messages registered contact")
say("number", "number no nr num")
say("ssn", "ssn ssns social")
say("negative", "id ids idnr code codes error order invoice account acct license licence passport zip postal version port pid time timestamp epoch date " +
  "year price cost total amount usd eur size address addresses tracking serial sku part isbn issn iban bic vat ust tax ip key hash token tokens ticket " +
  "case reference ref policy member room suite apt box street stack function method tool commit issue line page pin otp vin imei mac uuid build block " +
  "customer client patient mrn driver model seed offset index count length bytes byte inode process thread revision rev bug pr job run sequence seq confirmation booking reservation flight routing " +
  "membership transaction employee student card credit debit")

/** Ideographs stand without spaces between them: these are looked for inside the last few before a number. */
const ideographs = ["電話", "电话", "手机", "手機", "携帯", "號碼", "号码", "联系", "聯絡", "致电", "전화", "연락", "휴대"]

const units = new Set(
  ("bytes byte b m s g hz khz mhz ghz kg w v a kb mb gb tb kib mib gib ms ns us px pt users rows records tokens items usd dollars euros times people km files lines words " +
    "cylinders sectors blocks inodes cells points messages events requests results views").split(" ")
)
const phonesAfter = new Set(["office", "fax", "mobile", "cell", "phone", "home", "work", "desk", "tel"])

const wordMax = 20

/** How many words may stand between the word that says so and the number. */
const reach = { phone: 5, call: 3, ssn: 6, negative: 3 } as const
const never = -1000

/**
 * Walks a text once, from number to number, and remembers the last telling words. Digits and what was redacted already
 * count for nothing, so a text reads the same before and after redaction.
 */
export const readContext = (codes: Uint16Array): (from: number, to: number) => Context => {
  let position = 0
  let count = 0
  /** The word heard last: what it says, which one it was, where it ended. */
  let lastKind: Class | undefined
  let lastAt: number = never
  let lastEnd = -1
  const seen = { phone: never, call: never, ssn: never, negative: never }
  let url = false

  const forget = (): void => {
    seen.phone = seen.call = seen.ssn = seen.negative = never
    lastKind = undefined
    lastAt = never
    lastEnd = -1
  }
  const isNear = (kind: keyof typeof seen): boolean => count - seen[kind] <= reach[kind]

  const hear = (word: string, end: number): void => {
    count++
    const kind = words.get(word) ?? (isIdeograph(word.charCodeAt(word.length - 1)) && ideographs.some((part) => word.includes(part)) ? "phone" : undefined)
    if (kind === "phone" || kind === "call" || kind === "ssn" || kind === "negative") seen[kind] = count
    else if (kind === "number" && !(isNear("negative") && seen.negative > seen.phone)) seen.call = count
    lastKind = kind
    lastAt = count
    lastEnd = end
  }
  const mark = (code: number, i: number): void => {
    if (code === 0x0a) {
      // "Phone:\n555…" goes on; any other line stands for itself
      if (!endsWithColon(codes, i)) forget()
      url = false
    } else if (code === 0x20 || code === 0x09 || code === 0x22 || code === 0x3c || code === 0x3e) url = false
    else if (code === 0x3a || code === 0x3d) {
      if ((lastKind === "label" || lastKind === "call") && i - lastEnd <= 2) seen.phone = lastAt
      if (standsAt(codes, i, "://")) url = true
    } else if ((code === 0x2e || code === 0x21) && isSpaceOrEnd(codes, i + 1) && !(lastKind === "phone" && lastEnd === i)) forget()
  }

  return (from, to) => {
    while (position < from) {
      const code = codes[position]!
      if (!isLetter(code)) {
        mark(code, position++)
        continue
      }
      const end = wordEnd(codes, position, from)
      // the end of a long word tells more than its beginning where words are not spaced
      const begin = end - position > wordMax ? end - wordMax : position
      if (isAsciiLetter(code) && begin === position && ((lengths[(code | 0x20) - 0x61]! >> (end - position)) & 1) === 0) {
        lastKind = undefined
        lastAt = ++count
        lastEnd = end
      } else hear(wordAt(codes, begin, end), end)
      position = end
    }
    position = to
    const after = wordAfter(codes, to)
    const phone = isNear("phone") && seen.negative < seen.phone
    const call = isNear("call") && seen.negative < seen.call
    return {
      phone,
      call,
      ssn: isNear("ssn") && seen.negative < seen.ssn,
      negative: isNear("negative") && !phone && !call,
      url,
      measured: units.has(after.word),
      phoneAfter: phonesAfter.has(after.word) && after.closed
    }
  }
}

/** `phoneNumber` and `home_phone` are two words each. */
const wordEnd = (codes: Uint16Array, from: number, limit: number): number => {
  let end = from + 1
  while (end < limit && isLetter(codes[end]) && !(isUpper(codes[end]!) && isLower(codes[end - 1]!))) end++
  return end
}

const isUpper = (code: number): boolean => code >= 0x41 && code <= 0x5a
const isLower = (code: number): boolean => code >= 0x61 && code <= 0x7a
const isSpaceOrEnd = (codes: Uint16Array, i: number): boolean => i >= codes.length || codes[i] === 0x20 || codes[i] === 0x0a

/** How far back over blank lines and carriage returns a colon is looked for. */
const blankMax = 4

const endsWithColon = (codes: Uint16Array, newline: number): boolean => {
  let i = newline - 1
  while (newline - i <= blankMax && (codes[i] === 0x20 || codes[i] === 0x0d || codes[i] === 0x0a)) i--
  return codes[i] === 0x3a
}

/** The word right after a number, and whether it closes: hyphenated to the number, or followed by the end of something. */
const wordAfter = (codes: Uint16Array, end: number): { readonly word: string; readonly closed: boolean } => {
  const lead = codes[end]
  if (lead !== 0x20 && lead !== 0x2d) return { word: "", closed: false }
  const from = codes[end + 1] === 0x28 ? end + 2 : end + 1
  let to = from
  while (to - from < wordMax && isAsciiLetter(codes[to])) to++
  const next = codes[to]
  const closed = lead === 0x2d || next === undefined || !(next === 0x20 || next === 0x5f || isDigit(next) || isLetter(next) || next === opaqueNumber || next === opaqueWord)
  return { word: wordAt(codes, from, to), closed }
}
