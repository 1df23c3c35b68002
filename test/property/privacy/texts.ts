/**
 * Texts made of what redaction looks for, of what only looks like it, and of everything that may stand between,
 * joined without regard for sense. The same number always gives the same text.
 */
export const textOf = (seed: number): string => {
  let state = (seed * 2_654_435_761) >>> 0
  const random = (): number => (state = (state * 1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32
  const pick = <A>(from: ReadonlyArray<A>): A => from[Math.floor(random() * from.length)]!
  let text = ""
  for (let parts = 1 + Math.floor(random() * 9); parts > 0; parts--) {
    const part = pick(fragments)
    text += typeof part === "string" ? part : Array.from({ length: part }, () => Math.floor(random() * 10)).join("")
    text += pick(separators)
  }
  return text
}

/** A number stands for that many random digits. */
const fragments: ReadonlyArray<string | number> = [
  1, 2, 3, 3, 4, 4, 6, 7, 9, 10, 12, 16, "4111 1111 1111 1111", "4111-1111-1111-1111", "123-45-6789", "123 45 6789", "+1 555 123 4567",
  "(555) 123-4567", "555-123-4567", "5551234567", "+41 (0)69 979 80 58", "078-051121", "07805-1121", "0494 92 82 32", "a@b.co",
  "john(at)example[dot]com", "john at gmail dot com", "mail", "phone", "Phone:", "call", "id", "ssn", "fax", "office", "x12", " ext 9", "order", "desk:",
  "git", "http://", "2026-11-22", "1.2.3.4", "DE44", "a716", "bytes", "number is", "[REDACTED_EMAIL]", "[REDACTED_PHONE]", "[REDACTED_SSN]",
  "[REDACTED_CREDIT_CARD]", "[REDACTED_", "@", "at", "dot", "com", "\u200b", "\uff11\uff12\uff13", "٣٤٥", "𝟓𝟓𝟓", "😀", "\ud83d", "电话", "\ufeff", "\"", "$", "#",
  "%40", "&#64;", "x", "e", "_", "\u20e3", "\udc00", "\uffff"
]

export const separators: ReadonlyArray<string> = [
  " ", " ", " ", " ", "-", "-", ".", "/", "", "", "(", ")", ") ", " (", "+", " +", ":", ": ", "\n", ", ", ",", ". ", " - ", "  ", "=", "!", "? ", "|", ";", "\t", "'", "_"
]
