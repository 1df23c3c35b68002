import { Duration, Effect, Option, Schedule, Stream, SubscriptionRef } from "effect"
import type { Audit } from "../../streams/Audit.ts"
import type { ServerProcess } from "../nats/ServerProcess.ts"
import { awaitRef, bump, type State } from "./State.ts"

export interface ShutOutContext {
  readonly state: Pick<State, "paired" | "revoked">
  readonly audit: Pick<Audit["Service"], "count">
  /** Cut off everybody who was let in to read along on this machine. */
  readonly endTools: Effect.Effect<void, { readonly hint: string }>
}

const retryEvery = Duration.seconds(2)

/** What the hub says to a leaf it cuts: in this machine's server's log only, before the link is down. */
const cutOff = "User Authentication Revoked"

/** Ask over HTTP at once when the hub cut the link for that, instead of after the next dial: the answer is what counts. */
export const watchCut = Effect.fn("local.watchCut")(function*({ server, state }: { readonly server: Pick<ServerProcess, "lastLines">; readonly state: Pick<State, "link" | "renewalWanted"> }): Effect.fn.Return<never> {
  const last = Effect.map(server.lastLines, (lines) => lines.findLast((line) => line.includes(cutOff)))
  // each line has its time, so the same one twice is one event
  let known = yield* last
  for (;;) {
    yield* awaitRef(state.link, ({ up }) => up)
    yield* awaitRef(state.link, ({ up }) => !up)
    const line = yield* last
    if (line !== known) yield* bump(state.renewalWanted)
    known = line
  }
})

/**
 * What this machine does when it hears that it is revoked, for ever: whoever was let in here is cut off, because nobody
 * reads along where this machine itself may not; and the audit says so. What is kept here stays as it is.
 */
export const keepShutOut = ({ audit, endTools, state }: ShutOutContext): Effect.Effect<void> =>
  SubscriptionRef.changes(state.revoked).pipe(
    Stream.filter((revoked) => revoked),
    Stream.runForEach(() =>
      endTools.pipe(
        Effect.tapError(({ hint }) => Effect.logWarning("tools are not cut off yet; trying again", { hint })),
        Effect.retry(Schedule.spaced(retryEvery)),
        Effect.orDie,
        Effect.andThen(Option.match(SubscriptionRef.getUnsafe(state.paired), {
          onNone: () => Effect.void,
          onSome: ({ with: { peer_id } }) => audit.count({ type: "peer.revoked", by: "hosted", data: { peer_id, cause: "told" } })
        })))))
