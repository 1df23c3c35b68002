import { Schema } from "effect"
import { contentMaxBytes, idMaxBytes, nameMaxLength, redactionGrowthMax, titleMaxBytes } from "../limits.ts"

const encoder = new TextEncoder()
const maxBytes = (limit: number) =>
  Schema.makeFilter<string>((text) =>
    // a UTF-16 unit is at most three bytes, so most strings need no encoding to be judged
    text.length * 3 <= limit || encoder.encode(text).length <= limit || `longer than ${limit} bytes of UTF-8`)

/** JSON carries lone surrogates, UTF-8 cannot: such a text would not come back as it was written. */
export const wellFormed = Schema.makeFilter<string>((text) => text.isWellFormed() || "has a lone surrogate")

/** An id its caller chose: any text that is not empty. */
export const OutsideId = Schema.NonEmptyString.check(wellFormed, maxBytes(idMaxBytes))
/** What a person or a model wrote, as it is taken in. Empty is allowed. */
export const Content = Schema.String.check(wellFormed, maxBytes(contentMaxBytes))
export const Title = Schema.String.check(wellFormed, maxBytes(titleMaxBytes))
/** The same in an event, where redaction may have lengthened it. */
export const StoredContent = Schema.String.check(wellFormed, maxBytes(contentMaxBytes * redactionGrowthMax))
export const StoredTitle = Schema.String.check(wellFormed, maxBytes(titleMaxBytes * redactionGrowthMax))
/** `user`, `assistant`, `system`, `tool`, or whatever the agent calls its parts. */
export const Role = Schema.NonEmptyString.check(wellFormed, Schema.isMaxLength(nameMaxLength))
/** When the message was written, as its surface says: shown, never used for order. */
export const Timestamp = Schema.String.check(wellFormed, Schema.isMaxLength(nameMaxLength))
