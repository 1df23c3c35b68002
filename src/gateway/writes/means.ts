import { Clock, DateTime, Effect, Random } from "effect"
import { v7 } from "uuid"
import type { Head } from "../../../projections/conversations/heads.ts"
import { type Draft, Registrar, Writer, type Written } from "../../../streams/Backend.ts"
import { demandMatch, type Wait } from "../conditions.ts"
import { type BackendError, type Problem, problem, refused } from "../http/problems.ts"
import type { Recorded } from "../http/wire.ts"
import { Reads } from "../Reads.ts"
import { Recording } from "../Recording.ts"

/** Where a write comes from: the surface a person typed in, the backend it came through, the trace it belongs to. */
export type Sender = Pick<Draft, "surface" | "via" | "traceparent">

/** What every write has in common. */
export interface Common {
  readonly tenant: string
  readonly conversation: string
  readonly from: Sender
  readonly ifMatch: string | undefined
  readonly wait: Wait | undefined
}

/**
 * How a write goes together with others of its conversation. `blind`: it depends on nothing that is there, and is
 * as fast as the store. `beside`: it looks first; others may write meanwhile. `alone`: nobody writes in between.
 */
type Manner = "blind" | "beside" | "alone"

export type Answer<A> = Effect.Effect<A, Problem>

/** What the write commands are made of. */
export const means = Effect.gen(function*() {
  const recording = yield* Recording
  const reads = yield* Reads
  const writer = yield* Writer
  const { identity } = yield* Registrar
  const here = identity.backend_type === "hosted" ? "hosted" : "local"

  /** How far the write has come, after waiting as far as the caller asked. */
  const reached = (common: Common, written: Written) =>
    common.wait === undefined
      ? Effect.succeed({ tier: here, missing: [] } as const)
      : writer.reach(common.tenant, [written], common.wait.tier, common.wait.millis)

  return {
    reads,
    reached,
    settledFor: recording.settledFor,
    /** Record one fact about the conversation. */
    record: (common: Common, fact: Draft["fact"]) =>
      Effect.map(
        recording.record(common.tenant, [{ ...common.from, fact, subject: common.conversation }]),
        ([written]) => written!
      ),
    /** Decide and write. `If-Match` makes any write look, and alone. */
    inTurn: <A>(common: Common, manner: Manner, write: Effect.Effect<A, Problem | BackendError>): Answer<A> =>
      Effect.gen(function*() {
        if (manner !== "blind" || common.ifMatch !== undefined) yield* recording.settledFor(common.tenant, [common.conversation])
        if (common.ifMatch !== undefined) {
          const head = yield* reads.head(common.tenant, common.conversation)
          yield* demandMatch(common.ifMatch, isVisible(head) ? head.version : undefined)
        }
        return yield* write
      }).pipe(recording.turn(common.tenant, common.conversation, manner === "alone" || common.ifMatch !== undefined), refused),
    /** The conversation as a reader sees it, or 404. */
    visibleHead: (common: Common) =>
      Effect.filterOrFail(reads.head(common.tenant, common.conversation), isVisible, () => noConversation(common.conversation)),
    plainAnswer: (common: Common, written: Written): Answer<typeof Recorded.Type> =>
      Effect.map(reached(common, written), (how) => ({
        conversation_id: common.conversation,
        event_id: written.id,
        stamp: written.stamp,
        reached: how
      }))
  }
})
export type Means = Effect.Success<typeof means>

export const isVisible = (head: Head | undefined): head is Head => head !== undefined && !head.hidden

/** Wall time as an ISO text. */
export const now = Effect.map(DateTime.now, DateTime.formatIso)

/** An id that sorts by time (UUID v7). */
export const newId = Effect.gen(function*() {
  const msecs = yield* Clock.currentTimeMillis
  const random = new Uint8Array(16)
  for (let i = 0; i < random.length; i++) random[i] = yield* Random.nextIntBetween(0, 256)
  return v7({ msecs, random })
})

export const noConversation = (id: string) =>
  problem("conversation-not-found", `No conversation has the id ${quoted(id)}.`, "GET /conversations lists them.", {
    field: "conversation_id"
  })

export const noMessage = (id: string, hint: string) =>
  problem("message-not-found", `No message has the id ${quoted(id)}.`, hint, { field: "message_id" })

export const quoted = (id: string) => JSON.stringify(id.length > 100 ? `${id.slice(0, 100)}…` : id)
