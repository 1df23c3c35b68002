import { Result, Schema } from "effect"
import { dataschemaOf, decodeFact, type Fact, isEventType, parseDataschema } from "./catalog.ts"
import { EventFromTheFuture, EventMalformed } from "./EventDefinition.ts"
import { OutsideId } from "./events/fields.ts"
import { BackendId, Time, Uuid, uuidPattern } from "./ids.ts"
import { lamportMax, nameMaxLength, sessionidMaxLength, traceparentMaxLength } from "./limits.ts"
import { quickEnvelope } from "./quick.ts"
import type { Stamp } from "./Stamp.ts"

/**
 * A CloudEvent 1.0 in structured JSON: one event, one message. The stored bytes are the hashed bytes;
 * they are never encoded again. `data` is plain JSON in the journal and a compact JWE in the log.
 */
export const Envelope = Schema.Struct({
  specversion: Schema.Literal("1.0"),
  id: Uuid,
  type: Schema.String.check(Schema.isPattern(/^[a-z_]+(\.[a-z_]+)?$/), Schema.isMaxLength(64)),
  dataschema: Schema.String,
  source: BackendId,
  time: Time,
  /** The conversation, the peer, or `settings`. */
  subject: OutsideId,
  lamport: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: lamportMax })),
  surface: Schema.NonEmptyString.check(Schema.isMaxLength(nameMaxLength)),
  sessionid: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(sessionidMaxLength))),
  traceparent: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(traceparentMaxLength))),
  /** The companion on whose behalf a gateway wrote this. */
  via: Schema.optionalKey(BackendId),
  datacontenttype: Schema.Literals(["application/json", "application/jose"]),
  data: Schema.Unknown
})
export type Envelope = typeof Envelope.Type

export const stampOf = (envelope: Stamp): Stamp => ({ lamport: envelope.lamport, time: envelope.time, source: envelope.source })

/** An event one can act on: who, when, about what, and the fact itself in its newest shape. */
export interface Opened {
  readonly envelope: Envelope
  readonly fact: Fact
}

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true })
const readEnvelope = Schema.decodeUnknownResult(Envelope)

/** Bytes as stored. Key order is fixed here once; readers do not depend on it. */
export const encode = (envelope: Envelope): Uint8Array => encoder.encode(JSON.stringify(envelope))

/** Build the plain event of the journal. */
export const plain = (fact: Fact, about: Omit<Envelope, "specversion" | "type" | "dataschema" | "datacontenttype" | "data">): Envelope => ({
  specversion: "1.0",
  id: about.id,
  type: fact.type,
  dataschema: dataschemaOf(fact.type),
  source: about.source,
  time: about.time,
  subject: about.subject,
  lamport: about.lamport,
  surface: about.surface,
  ...(about.sessionid === undefined ? {} : { sessionid: about.sessionid }),
  ...(about.traceparent === undefined ? {} : { traceparent: about.traceparent }),
  ...(about.via === undefined ? {} : { via: about.via }),
  datacontenttype: "application/json",
  data: fact.data
})

/** Read stored bytes as far as they can be read without a key. */
export const decode = (bytes: Uint8Array): Result.Result<Envelope, EventMalformed> => {
  let json: unknown
  try {
    json = JSON.parse(decoder.decode(bytes))
  } catch {
    // the parser's own message would quote what somebody wrote
    return Result.fail(new EventMalformed({ type: "?", stored: 0, why: "not JSON in UTF-8" }))
  }
  const quick = quickEnvelope(json)
  if (quick !== undefined) return Result.succeed(quick)
  return Result.mapError(readEnvelope(json), (error) => new EventMalformed({ type: "?", stored: 0, why: error.message }))
}

/** The id an event that cannot be read gives itself, so that its author knows which one is meant; `""` where there is none. */
export const idIn = (bytes: Uint8Array): string => {
  try {
    const { id } = JSON.parse(decoder.decode(bytes)) as { readonly id?: unknown }
    return typeof id === "string" && uuidPattern.test(id) ? id : ""
  } catch {
    return ""
  }
}

/** Read the data of an envelope whose `data` is already plain. */
export const interpret = (
  envelope: Envelope,
  data: unknown
): Result.Result<Opened, EventMalformed | EventFromTheFuture> => {
  const schema = parseDataschema(envelope.dataschema)
  if (Result.isFailure(schema)) return Result.fail(schema.failure)
  const { type, version } = schema.success
  if (type !== envelope.type) {
    return Result.fail(new EventMalformed({ type: envelope.type, stored: version, why: `dataschema is of ${type}` }))
  }
  if (!isEventType(type)) return Result.fail(new EventFromTheFuture({ type, stored: version, newest: 0 }))
  return Result.map(decodeFact(type, version, data), (fact) => ({ envelope, fact }))
}
