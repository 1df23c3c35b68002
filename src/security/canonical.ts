import canonicalize from "canonicalize"
import { Result, Schema } from "effect"

/**
 * A value RFC 8785 has no text for: a lone surrogate, NaN, an infinity, a cycle, a bigint, or nothing at all.
 * Nothing was signed, sealed or sent; the value's maker must be asked for another one.
 */
export class NotCanonical extends Schema.TaggedError<NotCanonical>()("NotCanonical", { why: Schema.String }) {}

/**
 * RFC 8785 text of a JSON value: what every signature and MAC is made over.
 *
 * Members whose value is `undefined` are left out, as `JSON.stringify` does.
 * Throws `NotCanonical`: for our own values that is a defect. Use `tryCanonicalJson` for what came from outside.
 */
export const canonicalJson = (value: unknown): string => {
  let text: string | undefined
  try {
    text = canonicalize(value)
  } catch (cause) {
    throw new NotCanonical({ why: cause instanceof Error ? cause.message : "no JSON" })
  }
  if (text === undefined) throw new NotCanonical({ why: "the value has no JSON form" })
  return text
}

/** `canonicalJson` for values that came from outside: JSON can carry lone surrogates, RFC 8785 cannot. */
export const tryCanonicalJson = (value: unknown): Result.Result<string, NotCanonical> =>
  Result.try({
    try: () => canonicalJson(value),
    catch: (cause) => cause instanceof NotCanonical ? cause : new NotCanonical({ why: "no JSON" })
  })
