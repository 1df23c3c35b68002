import { Effect } from "effect"
import { peerConsumer } from "../../streams/definitions.ts"
import type { Wire } from "./connect.ts"
import type { LogUnavailable } from "./EventLog.ts"
import { api, codes, ConsumerInfo, Done, isCode } from "./jetStreamApi.ts"
import { unavailable } from "./orderedReader.ts"
import { peerConsumerToJetStream } from "./toJetStream.ts"

export interface PeerConsumerOptions {
  readonly tenant: string
  readonly peer: string
  /** The tenant's log stream, on a cluster one of several. */
  readonly log?: string
}

/**
 * Make the durable consumer that feeds a peer's mirror, or bring an existing one into line; its position stays.
 * `created` is true when it was not there: a mirror that had one before must be reset (`recreateMirror`).
 */
export const ensurePeerConsumer = (wire: Wire, { log = peerConsumer.stream, peer, tenant }: PeerConsumerOptions): Effect.Effect<{ readonly created: boolean }, LogUnavailable> => {
  const name = peerConsumer.nameOf(peer)
  const config = peerConsumerToJetStream(peerConsumer, { tenant, peer })
  return api(wire, `CONSUMER.INFO.${log}.${name}`, undefined, ConsumerInfo).pipe(
    Effect.as(false),
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.succeed(true)),
    Effect.tap(api(wire, `CONSUMER.CREATE.${log}.${name}`, { stream_name: log, config }, Done)),
    Effect.map((created) => ({ created })),
    Effect.mapError(unavailable(log))
  )
}

/** A revoked or erased peer gets nothing any more. Fine when there is none. */
export const deletePeerConsumer = (wire: Wire, { log = peerConsumer.stream, peer }: { readonly peer: string; readonly log?: string }): Effect.Effect<void, LogUnavailable> =>
  api(wire, `CONSUMER.DELETE.${log}.${peerConsumer.nameOf(peer)}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.void),
    Effect.asVoid,
    Effect.mapError(unavailable(log))
  )
