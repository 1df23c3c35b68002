import { Effect, Option, Schema } from "effect"
import { mirrorName, peerConsumer } from "../../streams/definitions.ts"
import type { Wire } from "./connect.ts"
import { type EventLog, type LogInfo, LogUnavailable } from "./EventLog.ts"
import { api, apiAt, codes, Done, isCode } from "./jetStreamApi.ts"
import { jetStreamLog, toLogInfo } from "./jetStreamLog.ts"
import { unavailable } from "./orderedReader.ts"
import { findStream, StreamRefused } from "./provision.ts"
import { mirrorToJetStream } from "./toJetStream.ts"

export interface MirrorOptions {
  readonly peer: string
  /** The tenant's log stream on the hub, on a cluster one of several. */
  readonly log?: string
}

/** A peer's copy of its tenant's part of the log, as the local side manages it. */
export interface Mirror {
  readonly log: EventLog
  /** See `ensureMirror`. */
  readonly ensure: Effect.Effect<{ readonly created: boolean }, LogUnavailable | StreamRefused>
  /** See `recreateMirror`. */
  readonly recreate: Effect.Effect<void, LogUnavailable | StreamRefused>
  /** See `mirrorInfo`. */
  readonly info: Effect.Effect<Option.Option<LogInfo>, LogUnavailable>
}

export const jetStreamMirror = (wires: { readonly local: Wire; readonly peer: Wire }, options: MirrorOptions): Mirror => ({
  log: jetStreamLog(wires.local, mirrorName),
  // of another pairing, which ended while its mirror could not be deleted: it holds nothing that is not on the hub
  ensure: ensureMirror(wires.local, options).pipe(
    Effect.catchTag("StreamRefused", () => Effect.andThen(deleteMirror(wires.local), ensureMirror(wires.local, options)))),
  recreate: recreateMirror(wires, options),
  info: mirrorInfo(wires.local)
})

/**
 * Make the mirror unless it is there. `created` means it is new: call `recreateMirror`, because its consumer on the
 * hub continues where the old mirror was. Refused when a mirror of another peer or log is in its place.
 */
export const ensureMirror = (wire: Wire, options: MirrorOptions): Effect.Effect<{ readonly created: boolean }, LogUnavailable | StreamRefused> =>
  Effect.gen(function*() {
    const there = yield* findStream(wire, mirrorName)
    if (Option.isNone(there)) {
      yield* createMirror(wire, options)
      return { created: true }
    }
    const { log = peerConsumer.stream, peer } = options
    const is = Schema.decodeUnknownOption(MirrorSource)(there.value.config["mirror"])
    if (Option.isSome(is) && is.value.name === log && is.value.consumer.name === peerConsumer.nameOf(peer)) return { created: false }
    return yield* new StreamRefused({
      stream: mirrorName,
      changed: ["mirror"],
      code: codes.streamNameInUse,
      why: "it mirrors another log or peer",
      hint: "This data directory was paired as somebody else: run `maestra resync`, which makes the mirror anew."
    })
  })

/** Fine when there is none. What was mirrored is on the hub. */
export const deleteMirror = (wire: Wire): Effect.Effect<void, LogUnavailable> =>
  api(wire, `STREAM.DELETE.${mirrorName}`, undefined, Done).pipe(
    Effect.catchIf((error) => isCode(error, codes.streamNotFound), () => Effect.void),
    Effect.asVoid,
    Effect.mapError(failed)
  )

/**
 * Tell the hub's consumer to deliver from `seq` on. Over the leaf: unavailable while the link is down. `wire` must be
 * the connection with the peer's own inbox prefix, the only one the hub lets an answer through to.
 */
const resetPeerConsumer = (wire: Wire, { log = peerConsumer.stream, peer, seq }: MirrorOptions & { readonly seq: number }): Effect.Effect<void, LogUnavailable> =>
  apiAt(wire, `store.CONSUMER.RESET.${log}.${peerConsumer.nameOf(peer)}`, { seq }, Done).pipe(Effect.asVoid, Effect.mapError(unavailable(log)))

/**
 * Make a lost or wrong mirror whole: delete it, have the hub start at 1, create it. Its own reset would go only to the
 * hub's ack floor. On failure there may be no mirror: call again once the link is up; nothing but time is lost.
 *
 * `local` manages the mirror, `peer` is the connection with the peer's inbox prefix (see `resetPeerConsumer`).
 */
export const recreateMirror = (wires: { readonly local: Wire; readonly peer: Wire }, options: MirrorOptions): Effect.Effect<void, LogUnavailable | StreamRefused> =>
  deleteMirror(wires.local).pipe(
    Effect.andThen(resetPeerConsumer(wires.peer, { ...options, seq: 1 })),
    Effect.andThen(createMirror(wires.local, options))
  )

/** What the mirror holds, none when there is no mirror. JetStream's own `lag` is left out: it was 0 in every failure seen. */
export const mirrorInfo = (wire: Wire): Effect.Effect<Option.Option<LogInfo>, LogUnavailable> =>
  Effect.map(findStream(wire, mirrorName), Option.map(toLogInfo))

const failed = unavailable(mirrorName)

const createMirror = (wire: Wire, { log = peerConsumer.stream, peer }: MirrorOptions) =>
  api(wire, `STREAM.CREATE.${mirrorName}`, mirrorToJetStream({ name: mirrorName, log, consumer: peerConsumer.nameOf(peer), peer }), Done).pipe(
    Effect.asVoid,
    Effect.mapError((error) =>
      error._tag === "ApiRefused"
        ? new StreamRefused({ stream: mirrorName, changed: [], code: error.code, why: error.why, hint: "The local nats-server cannot make the mirror: see its log, and check that its version is 2.15.1 or newer." })
        : new LogUnavailable({ stream: mirrorName, cause: error })
    )
  )

const MirrorSource = Schema.Struct({ name: Schema.String, consumer: Schema.Struct({ name: Schema.String }) })
