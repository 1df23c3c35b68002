import canonicalize from "canonicalize"
import { Refused } from "./refused.ts"

/**
 * RFC 8785 text of a JSON value: what every signature and MAC is made over.
 * Throws `Refused` for what has none: a lone surrogate, NaN, an infinity, a cycle, nothing at all.
 */
export const canonicalJson = (value: unknown): string => {
  let text: string | undefined
  try {
    text = canonicalize(value)
  } catch {
    text = undefined
  }
  if (text === undefined) throw new Refused("the value has no canonical JSON", "Leave out lone surrogates and numbers that are not finite.")
  return text
}

/** The canonical text an object's signature is over: all of its fields, known or not, but `signature`. */
export const signedText = (object: object): string => canonicalJson({ ...object, signature: undefined })
