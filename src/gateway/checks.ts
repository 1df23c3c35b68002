import { contentMaxBytes, idMaxBytes, nameMaxLength, titleMaxBytes } from "../../streams/limits.ts"

/**
 * The checks of `streams/events/fields.ts` written by hand, because an import makes 30,000 of them a second.
 * `test/property/gateway.checks.test.ts` holds each equal to its schema.
 *
 * Each answers `undefined` when the value is fine, otherwise why not.
 */
export type Check = (value: unknown) => string | undefined

/** Said of content alone: answered with 413, everything else with 400. */
export const contentTooLarge = `longer than ${contentMaxBytes} bytes of UTF-8`

const loneSurrogate = "has a lone surrogate, which UTF-8 cannot carry"

// a UTF-16 unit is at most three bytes, so most strings need no encoding to be judged
const isLonger = (text: string, limitBytes: number): boolean =>
  text.length > limitBytes || (text.length * 3 > limitBytes && Buffer.byteLength(text) > limitBytes)

export const checkId: Check = (value) =>
  typeof value !== "string"
    ? "is not a string"
    : value === ""
    ? "is empty"
    : !value.isWellFormed()
    ? loneSurrogate
    : isLonger(value, idMaxBytes)
    ? `longer than ${idMaxBytes} bytes of UTF-8`
    : undefined

export const checkContent: Check = (value) =>
  typeof value !== "string"
    ? "is not a string"
    : isLonger(value, contentMaxBytes)
    ? contentTooLarge
    : !value.isWellFormed()
    ? loneSurrogate
    : undefined

export const checkTitle: Check = (value) =>
  typeof value !== "string"
    ? "is not a string"
    : !value.isWellFormed()
    ? loneSurrogate
    : isLonger(value, titleMaxBytes)
    ? `longer than ${titleMaxBytes} bytes of UTF-8`
    : undefined

/** Role and surface. */
export const checkName: Check = (value) => value === "" ? "is empty" : checkTimestamp(value)

export const checkTimestamp: Check = (value) =>
  typeof value !== "string"
    ? "is not a string"
    : value.length > nameMaxLength
    ? `longer than ${nameMaxLength} characters`
    : !value.isWellFormed()
    ? loneSurrogate
    : undefined
