import { Result } from "effect"
import { encode, type Envelope, interpret } from "../../streams/Envelope.ts"
import { EventMalformed } from "../../streams/EventDefinition.ts"
import type { KeyMissing, OpenResult } from "../../streams/OpenResult.ts"
import { type DataKey, open, seal, sealedUnder } from "./sealing.ts"

/** The data keys a reader holds, by `kid`. Asked for each event, so a key that arrives later works from then on. */
export type DataKeys = (kid: string) => DataKey | undefined

/** The bytes of a plain event as they go into the log: `data` sealed, everything else as it was. */
export const sealEnvelope = (envelope: Envelope, key: DataKey): Uint8Array =>
  encode({ ...envelope, datacontenttype: "application/jose", data: seal(key, JSON.stringify(envelope.data)) })

/** What opening looks at: events and telemetry have it alike. */
export type Sealed = Pick<Envelope, "type" | "datacontenttype" | "data">

/** An event's data as plain JSON, not yet read as any type: telemetry, whose types are free text, stops here. */
export const openData = (envelope: Sealed, keys: DataKeys): Result.Result<unknown, EventMalformed | KeyMissing> => {
  if (envelope.datacontenttype === "application/json") return Result.succeed(envelope.data)
  if (typeof envelope.data !== "string") return malformed(envelope, "sealed data is not a text")
  const kid = sealedUnder(envelope.data)
  if (Result.isFailure(kid)) return malformed(envelope, `sealed data: ${kid.failure.reason}`)
  const key = keys(kid.success)
  if (key === undefined) return Result.fail({ _tag: "KeyMissing", kid: kid.success })
  const text = open(key, envelope.data)
  if (Result.isFailure(text)) return malformed(envelope, `sealed data: ${text.failure.reason}`)
  try {
    return Result.succeed(JSON.parse(text.success))
  } catch {
    // the parser's message would quote what somebody wrote
    return malformed(envelope, "sealed data is not JSON")
  }
}

const malformed = (envelope: Sealed, why: string) =>
  Result.fail(new EventMalformed({ type: envelope.type, stored: 0, why }))

/** Open and read one event. */
export const openEnvelope = (envelope: Envelope, keys: DataKeys): OpenResult => {
  const data = openData(envelope, keys)
  return Result.isFailure(data) ? Result.fail(data.failure) : interpret(envelope, data.success)
}
