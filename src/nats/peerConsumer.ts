import { createInbox } from "@nats-io/transport-node"
import { Duration, Effect, Schedule, type Schema } from "effect"
import { peerConsumer } from "../../streams/definitions.ts"
import type { Wire } from "./connect.ts"
import type { LogUnavailable } from "./EventLog.ts"
import { api, codes, ConsumerInfo, Done, isCode, StreamInfo } from "./jetStreamApi.ts"
import { unavailable } from "./orderedReader.ts"
import { peerConsumerToJetStream } from "./toJetStream.ts"

export interface PeerConsumerOptions {
  readonly tenant: string
  readonly peer: string
  /** The tenant's log stream, on a cluster one of several. */
  readonly log?: string
  /** The peer's mirror is whole up to there: one made anew goes on behind it. Without it, from the beginning. */
  readonly from?: number
}

/** A consumer that is silent for so long is on a server that is gone. */
const silence = Duration.millis(1500)

/**
 * Make the durable consumer that feeds a peer's mirror, or bring an existing one into line; its position stays.
 * `created` is true when it was not there: a mirror that had one before must be reset (`recreateMirror`).
 *
 * It has one replica, so on a cluster it may live on a server that is gone, and then says nothing at all; the others say
 * so only once they are sure. Where its stream does answer, it is made again on another server.
 */
export const ensurePeerConsumer = (wire: Wire, options: PeerConsumerOptions): Effect.Effect<{ readonly created: boolean }, LogUnavailable> => {
  const { from = 0, log = peerConsumer.stream, peer, tenant } = options
  const name = peerConsumer.nameOf(peer)
  const config = peerConsumerToJetStream(peerConsumer, { tenant, peer })
  const create = api(wire, `CONSUMER.CREATE.${log}.${name}`, { stream_name: log, config }, Done, silence)
  const createAnew = Effect.andThen(create, from === 0 ? Effect.void : api(wire, `CONSUMER.RESET.${log}.${name}`, { seq: from + 1 }, Done, silence))
  // nobody there can answer; the one who gives consumers their places hears it, and then the next request
  const drop = Effect.sync(() => wire.nats.publish(`$JS.API.CONSUMER.DELETE.${log}.${name}`, undefined, { reply: createInbox(wire.inboxPrefix) }))
  return api(wire, `CONSUMER.INFO.${log}.${name}`, undefined, ConsumerInfo, silence).pipe(
    Effect.flatMap(({ config: is }) => Effect.as(isAsWanted(is, config) ? Effect.void : create, false)),
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.as(createAnew, true)),
    Effect.catchIf((error) => error._tag === "RequestTimedOut" || isCode(error, codes.consumerOffline), (gone) =>
      api(wire, `STREAM.INFO.${log}`, undefined, StreamInfo, silence).pipe(
        Effect.mapError(() => gone),
        Effect.andThen(Effect.logWarning("a peer's consumer is on a server that does not answer; making it again on another", { peer, log })),
        Effect.andThen(drop),
        Effect.andThen(createAnew),
        Effect.as(true))),
    Effect.map((created) => ({ created })),
    Effect.mapError(unavailable(log))
  )
}

/** Where a consumer is put is chance: one of three servers. */
const movesMax = 10
const chosenRetries = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(20)])

/**
 * Feed the peer's mirror from another server's copy of the stream, since what the present one gave does not verify. Its
 * position goes: the mirror has to be made anew. False where there is no other server; then nothing was changed.
 */
export const movePeerConsumer = Effect.fnUntraced(function*(wire: Wire, options: PeerConsumerOptions) {
  const { log = peerConsumer.stream, peer } = options
  const server = api(wire, `CONSUMER.INFO.${log}.${peerConsumer.nameOf(peer)}`, undefined, ConsumerInfo, silence).pipe(
    Effect.mapError(unavailable(log)),
    Effect.map(({ cluster }) => cluster))
  const before = yield* server
  if (before === undefined) return false
  for (let moves = 0; moves < movesMax; moves++) {
    yield* deletePeerConsumer(wire, { log, peer })
    yield* ensurePeerConsumer(wire, { ...options, from: 0 })
    const now = yield* server.pipe(Effect.filterOrFail((cluster) => cluster?.leader !== undefined), Effect.retry(chosenRetries), Effect.orElseSucceed(() => before))
    if (now?.leader !== before.leader) return true
  }
  return false
})

/** The server leaves out what is false or zero. */
const isAsWanted = (is: Readonly<Record<string, Schema.Json>>, wanted: Readonly<Record<string, unknown>>) =>
  Object.entries(wanted).every(([key, value]) => is[key] === value)

/** A revoked or erased peer gets nothing any more. Fine when there is none. */
export const deletePeerConsumer = (wire: Wire, { log = peerConsumer.stream, peer }: { readonly peer: string; readonly log?: string }): Effect.Effect<void, LogUnavailable> =>
  api(wire, `CONSUMER.DELETE.${log}.${peerConsumer.nameOf(peer)}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.consumerNotFound), () => Effect.void),
    Effect.asVoid,
    Effect.mapError(unavailable(log))
  )

/** Up to which place the log went out to the peer, 0 where there is no consumer; nothing goes out to one that is away. */
export const peerReached = (wire: Wire, { log, peer }: { readonly peer: string; readonly log: string }): Effect.Effect<number> =>
  api(wire, `CONSUMER.INFO.${log}.${peerConsumer.nameOf(peer)}`, undefined, ConsumerInfo, silence).pipe(Effect.map(({ delivered }) => delivered.stream_seq), Effect.orElseSucceed(() => 0))
