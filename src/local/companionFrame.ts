import { Result } from "effect"
import { decode } from "../../streams/Envelope.ts"
import type { OpenResult } from "../../streams/OpenResult.ts"
import { digestOf } from "../security/digest.ts"
import { unframe } from "../security/commit.ts"
import { type DataKeys, openEnvelope } from "../security/envelopes.ts"

/** What a companion's framed commit counts as among the ids of our own commits' ranges. */
export const frameId = (data: Uint8Array): string => `companion-${digestOf(data)}`

/** The events of a framed commit, opened as far as they can be. */
export const openFrame = (data: Uint8Array, keys: DataKeys): ReadonlyArray<OpenResult> => {
  const framed = unframe(data)
  return Result.isFailure(framed) ? [] : framed.success.events.map((bytes) => Result.flatMap(decode(bytes), (envelope) => openEnvelope(envelope, keys)))
}

/** The ids of its events. */
export const companionEventIds = (data: Uint8Array): ReadonlyArray<string> => {
  const framed = unframe(data)
  return Result.isFailure(framed) ? [] : framed.success.events.flatMap((bytes) => {
    const envelope = decode(bytes)
    return Result.isSuccess(envelope) ? [envelope.success.id] : []
  })
}
