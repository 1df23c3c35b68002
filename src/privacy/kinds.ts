/** What redaction looks for. */
export type Kind = "EMAIL" | "PHONE" | "SSN" | "CREDIT_CARD"

export const kinds: ReadonlyArray<Kind> = ["EMAIL", "PHONE", "SSN", "CREDIT_CARD"]

/** What a reader of the shared form sees instead. Never longer than 22 characters, never found again by redaction. */
export const placeholders: Readonly<Record<Kind, string>> = {
  EMAIL: "[REDACTED_EMAIL]",
  PHONE: "[REDACTED_PHONE]",
  SSN: "[REDACTED_SSN]",
  CREDIT_CARD: "[REDACTED_CREDIT_CARD]"
}

/** A place in a text, in UTF-16 units, `end` excluded. */
export interface Span {
  readonly kind: Kind
  readonly start: number
  readonly end: number
}

/** The shortest thing made of digits: `+98 9601` in Iran. */
export const digitsMin = 6
