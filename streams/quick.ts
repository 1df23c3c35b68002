import { backendIdPattern, timePattern, uuidPattern } from "./ids.ts"
import { contentMaxBytes, idMaxBytes, lamportMax, nameMaxLength, sessionidMaxLength, traceparentMaxLength } from "./limits.ts"

/**
 * The schemas of what is read for every single event, by hand: the envelope, and the data of messages. Half the time.
 *
 * Each answers what its schema would, or `undefined`. That is no refusal: the schema then judges, and finds the words
 * for what is wrong. So this side need not know every good value, only no bad one; `test/property/streams/quick.test.ts`.
 */
type Fields = Readonly<Record<string, unknown>>

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : undefined

/** A UTF-16 unit is at most three bytes of UTF-8. */
const bytesPerUnit = 3

const isText = (value: unknown, unitsMax: number): value is string => typeof value === "string" && value.length <= unitsMax && value.isWellFormed()
const isName = (value: unknown): value is string => isText(value, nameMaxLength) && value !== ""
const isId = (value: unknown): value is string => isText(value, idMaxBytes / bytesPerUnit) && value !== ""
const isTime = (value: unknown): value is string => typeof value === "string" && timePattern.test(value)
const isBackendId = (value: unknown): value is string => typeof value === "string" && backendIdPattern.test(value)
const isLamport = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= lamportMax
const isAbsentOr = <A>(is: (value: unknown) => value is A, value: unknown): value is A | undefined => value === undefined || is(value)

const isSession = (value: unknown): value is string => isText(value, sessionidMaxLength)
const isTrace = (value: unknown): value is string => isText(value, traceparentMaxLength)
const typePattern = /^[a-z_]{1,31}(\.[a-z_]{1,32})?$/

/** `Envelope` of streams/Envelope.ts. */
export const quickEnvelope = (json: unknown) => {
  const given = fieldsOf(json)
  if (given === undefined) return undefined
  const { data, datacontenttype, dataschema, id, lamport, sessionid, source, specversion, subject, surface, time, traceparent, type, via } = given
  if (specversion !== "1.0" || (datacontenttype !== "application/jose" && datacontenttype !== "application/json")) return undefined
  if (typeof id !== "string" || !uuidPattern.test(id) || typeof type !== "string" || !typePattern.test(type) || typeof dataschema !== "string") return undefined
  if (!isBackendId(source) || !isTime(time) || !isLamport(lamport) || !isId(subject) || !isName(surface) || data === undefined) return undefined
  if (!isAbsentOr(isSession, sessionid) || !isAbsentOr(isTrace, traceparent) || !isAbsentOr(isBackendId, via)) return undefined
  return {
    specversion,
    id,
    type,
    dataschema,
    source,
    time,
    subject,
    lamport,
    surface,
    ...(sessionid === undefined ? {} : { sessionid }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(via === undefined ? {} : { via }),
    datacontenttype,
    data
  } as const
}

/** Data of `message.appended`. */
export const quickAppended = (data: unknown) => {
  const given = fieldsOf(data)
  if (given === undefined) return undefined
  const { content, message_id, role, timestamp } = given
  return isId(message_id) && isName(role) && isText(content, contentMaxBytes / bytesPerUnit) && isText(timestamp, nameMaxLength)
    ? { message_id, role, content, timestamp }
    : undefined
}

/** Data of `message.edited`. */
export const quickEdited = (data: unknown) => {
  const written = quickAppended(data)
  const base = fieldsOf(data)?.["base"]
  if (written === undefined || base === undefined) return written
  const stamp = fieldsOf(base)
  if (stamp === undefined) return undefined
  const { lamport, source, time } = stamp
  return isLamport(lamport) && isTime(time) && isBackendId(source) ? { ...written, base: { lamport, time, source } } : undefined
}
