import { DateTime, Effect } from "effect"
import { type Draft, Syncing, Writer } from "../../../streams/Backend.ts"
import { commitEventsMax } from "../../../streams/limits.ts"
import type { Verdict } from "../../../streams/Verdict.ts"
import { type Problem, refused } from "../http/problems.ts"
import type { Synced } from "../http/wire.ts"
import { Reads } from "../Reads.ts"
import { Recording } from "../Recording.ts"
import { mergeConversation, mergeMessage, type SimpleClient } from "./merge.ts"
import type { OfferedCommit, OfferedConversation, SyncPayload } from "./payload.ts"

/** Who syncs: a registered peer whose payload's signature holds. */
export interface SyncingCaller {
  readonly tenant: string
  readonly peer: string
  readonly backendId: string
}

/** How soon the next sync should be; at once where this answer could not hold everything. */
const nextSyncMillis = 5000
/** Conflicts looked through for those of the conversations at hand. */
const conflictsMax = 500

/**
 * One sync: commits in, conversations in, then everything the companion lacks. Each part can be repeated without effect,
 * so an answer that got lost costs nothing.
 */
export const syncer = Effect.gen(function*() {
  const reads = yield* Reads
  const recording = yield* Recording
  const syncing = yield* Syncing
  const writer = yield* Writer

  const commit = Effect.fnUntraced(function*(caller: SyncingCaller, commits: ReadonlyArray<OfferedCommit>) {
    const verdicts: Array<Verdict> = []
    let stopped: Verdict | undefined
    for (const one of commits) {
      // what stands behind a commit that was not taken cannot be either
      const verdict: Verdict = stopped === undefined
        ? yield* Effect.uninterruptible(syncing.commit(caller.tenant, caller.peer, one))
        : { verdict: "busy", log_id: stopped.log_id, log_epoch: stopped.log_epoch }
      if (verdict.verdict !== "committed") stopped ??= verdict
      verdicts.push(verdict)
    }
    return verdicts
  })

  const draftsOf = Effect.fnUntraced(function*(tenant: string, client: SimpleClient, offered: OfferedConversation) {
    const drafts: Array<Draft> = []
    const about = mergeConversation(client, offered, yield* reads.head(tenant, offered.id))
    if (about !== undefined) drafts.push(about)
    // an id may come twice in one payload: the later one counts
    for (const message of new Map(offered.messages.map((message) => [message.id, message])).values()) {
      const draft = mergeMessage(client, offered, message, yield* reads.history(tenant, offered.id, message.id))
      if (draft !== undefined) drafts.push(draft)
    }
    return drafts
  })

  /** What is written depends on what was read: two equal requests at once must not both write. In one order, so that none waits for the other. */
  const take = (caller: SyncingCaller, conversations: ReadonlyArray<OfferedConversation>) =>
    [...new Set(conversations.map(({ id }) => id))].toSorted().reduceRight((write, id) => recording.turn(caller.tenant, id, true)(write), takeAlone(caller, conversations))

  const takeAlone = Effect.fnUntraced(function*({ backendId, tenant }: SyncingCaller, conversations: ReadonlyArray<OfferedConversation>) {
    if (conversations.length === 0) return
    const client: SimpleClient = { backendId, surface: backendId.slice(0, backendId.indexOf("_sha256_")), now: DateTime.formatIso(yield* DateTime.now) }
    yield* recording.settledFor(tenant, conversations.map(({ id }) => id))
    const drafts: Array<Draft> = []
    for (const offered of conversations) drafts.push(...(yield* draftsOf(tenant, client, offered)))
    for (let at = 0; at < drafts.length; at += commitEventsMax) yield* recording.record(tenant, drafts.slice(at, at + commitEventsMax))
  })

  return (caller: SyncingCaller, payload: SyncPayload): Effect.Effect<typeof Synced.Type, Problem> =>
    Effect.gen(function*() {
      const { tenant } = caller
      const verdicts = yield* commit(caller, payload.commits)
      yield* take(caller, payload.conversations)
      yield* recording.settled(tenant)
      const { changes, cursor, more } = yield* reads.changes(tenant, syncing.history(tenant), payload.cursor)
      const aliases = Object.fromEntries(payload.conversations.flatMap(({ id, messages }) => [id, ...messages.map((message) => message.id)])
        .map((id) => [id, writer.named(tenant, id)] as const).filter(([id, name]) => id !== name))
      const touched = new Set([...payload.conversations.map(({ id }) => writer.named(tenant, id)), ...changes.map(({ conversation_id }) => conversation_id)])
      const { conflicts } = touched.size === 0 ? { conflicts: [] } : yield* reads.conflicts({ tenant, limit: conflictsMax, cursor: undefined })
      const { settings } = yield* reads.settings(tenant)
      return {
        status: "synced" as const,
        acked_sync_id: payload.syncId,
        verdicts,
        conflicts: conflicts.filter(({ conversation_id }) => touched.has(conversation_id)),
        next_sync_in_ms: more ? 0 : nextSyncMillis,
        changes,
        cursor,
        settings,
        ...(Object.keys(aliases).length === 0 ? {} : { aliases })
      }
    }).pipe(refused)
})
