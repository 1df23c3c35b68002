import { Context, DateTime, Duration, Effect, Layer, Option, Stream } from "effect"
import { type Changes, changes } from "../../projections/conversations/changes.ts"
import { stateSeen } from "../../projections/conversations/digest.ts"
import { exportPage, type Exported } from "../../projections/conversations/exportPage.ts"
import { type ExportedWrite, writesPage } from "../../projections/conversations/writesPage.ts"
import { type Head, heads } from "../../projections/conversations/heads.ts"
import { conflicts, findExisting, history } from "../../projections/conversations/history.ts"
import type { HistoryItem } from "../../projections/conversations/model.ts"
import { counts, current, type Current, get, list, readCursor } from "../../projections/conversations/queries.ts"
import { search } from "../../projections/conversations/search.ts"
import { listPeers } from "../../projections/peers/queries.ts"
import { latestChange, settingsOf } from "../../projections/settings/queries.ts"
import { generation, lowestPosition, peerPositions } from "../../projections/syncState/queries.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import type { SqliteFailed } from "../../projections/SqliteFailed.ts"
import type { Hour } from "../../projections/telemetry/apply.ts"
import { listTelemetry, telemetryHours, type TelemetryWanted } from "../../projections/telemetry/queries.ts"
import { Writer } from "../../streams/Backend.ts"
import type { Settings } from "../../streams/events/settings.ts"
import type { Stamp } from "../../streams/Stamp.ts"
import { kindOf } from "../../streams/ids.ts"
import { isoTime } from "../../streams/time.ts"
import { dashboard } from "./dashboard.ts"
import type { StoredTelemetry, TelemetryHour } from "./http/api/telemetry.ts"
import { type Problem, problem } from "./http/problems.ts"
import type { Conflict, Conversation, ConversationSummary, Digest, Hit, Write } from "./http/wire.ts"
import type { ImportLine } from "./import/lines.ts"
import type { Known } from "./import/plan.ts"

type Read<A> = Effect.Effect<A, SqliteFailed | Problem>

interface PageOf {
  readonly tenant: string
  readonly limit: number
  readonly cursor: string | undefined
}

/** The questions the gateway asks the projections, answered in the words of the wire. */
export class Reads extends Context.Service<Reads, {
  readonly list: (page: PageOf) => Read<{
    readonly conversations: ReadonlyArray<typeof ConversationSummary.Type>
    readonly next_cursor: string | null
  }>
  /** What shows and holds every word. */
  readonly search: (page: PageOf & { readonly words: string }) => Read<{
    readonly hits: ReadonlyArray<typeof Hit.Type>
    readonly next_cursor: string | null
    readonly behind: boolean
  }>
  /** `undefined` where there is none, or it is deleted. */
  readonly conversation: (tenant: string, id: string) => Read<typeof Conversation.Type | undefined>
  readonly head: (tenant: string, id: string) => Read<Head | undefined>
  /** The write that is shown of a message, a deletion included. */
  readonly current: (tenant: string, conversation: string, message: string) => Read<Current | undefined>
  /** Newest first; empty where there is no such message. */
  readonly history: (tenant: string, conversation: string, message: string) => Read<ReadonlyArray<typeof Write.Type>>
  readonly conflicts: (page: PageOf) => Read<{
    readonly conflicts: ReadonlyArray<typeof Conflict.Type>
    readonly next_cursor: string | null
  }>
  /** What is there of what an import brings. */
  readonly known: (tenant: string, lines: ReadonlyArray<ImportLine>) => Read<Known>
  readonly exported: (tenant: string) => Stream.Stream<Exported, SqliteFailed>
  readonly counted: (tenant: string) => Read<{ readonly conversations: number; readonly messages: number }>
  /** Every write that is kept, in the order they came. */
  readonly writes: (tenant: string) => Stream.Stream<ExportedWrite, SqliteFailed>
  readonly digest: (tenant: string) => Read<typeof Digest.Type>
  /** What was written behind a cursor, for a companion that syncs. `log`: the history its places count in, or by arrival. */
  readonly changes: (tenant: string, log: string | undefined, cursor: string | undefined) => Read<Changes>
  readonly peers: (tenant: string) => Read<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** Everybody's without a tenant, each then naming whose it is. */
  readonly telemetry: (wanted: TelemetryWanted) => Read<{ readonly events: ReadonlyArray<typeof StoredTelemetry.Type>; readonly next_cursor: string | null }>
  readonly telemetryHours: (wanted: Omit<TelemetryWanted, "source"> & { readonly peer: string | undefined; readonly model: string | undefined }) => Read<{
    readonly hours: ReadonlyArray<typeof TelemetryHour.Type>
    readonly next_cursor: string | null
  }>
  /** What telemetry adds up to; `undefined`: of all tenants. */
  readonly dashboard: (tenant: string | undefined, hours: number) => Read<Effect.Success<ReturnType<typeof dashboard>>>
  /** What may leave, and the newest change of it. */
  readonly settings: (tenant: string) => Read<{ readonly settings: Settings; readonly latest: Stamp | undefined }>
}>()("gateway/Reads") {
  static readonly layer = Layer.effect(Reads, Effect.gen(function*() {
    return make(yield* Sqlite, (yield* Writer).named)
  }))
}

/** `named`: what an id its caller chose is called in these tables. */
const make = (sqlite: Sqlite["Service"], named: Writer["Service"]["named"]): Reads["Service"] => {
  const asked = <A, E>(question: Effect.Effect<A, E, Sqlite>) => Effect.provideService(question, Sqlite, sqlite)
  return {
    list: (page) =>
      Effect.map(Effect.andThen(ours(page.cursor), asked(list(page))), ({ cursor, items }) => ({ conversations: items, next_cursor: cursor })),
    search: (page) =>
      Effect.map(Effect.andThen(ours(page.cursor), asked(search(page))), ({ behind, page: { cursor, items } }) => ({ hits: items, next_cursor: cursor, behind })),
    conversation: (tenant, conversation) =>
      Effect.map(asked(get({ tenant, conversation: named(tenant, conversation), everywhere: everywhere(tenant) })), Option.getOrUndefined),
    head: (tenant, conversation) => Effect.map(asked(heads({ tenant, conversations: [named(tenant, conversation)] })), ([head]) => head),
    current: (tenant, conversation, message) => Effect.map(asked(current({ tenant, conversation: named(tenant, conversation), message: named(tenant, message) })), Option.getOrUndefined),
    history: (tenant, conversation, message) =>
      Effect.map(asked(history({ tenant, conversation: named(tenant, conversation), message: named(tenant, message) })), (writes) => writes.map((write, i) => writeOf(write, i === 0))),
    conflicts: (page) =>
      Effect.map(Effect.andThen(ours(page.cursor), asked(conflicts(page))), ({ cursor, items }) => ({
        conflicts: items.map(({ conversation_id, losing, message_id, shown }) => ({
          conversation_id,
          message_id,
          shown: writeOf(shown, true),
          losing: losing.map((write) => writeOf(write, false))
        })),
        next_cursor: cursor
      })),
    known: (tenant, lines) =>
      Effect.gen(function*() {
        const ids = [...new Set(lines.map(({ conversation }) => conversation))]
        const found = yield* asked(heads({ tenant, conversations: ids.map((id) => named(tenant, id)) }))
        const messages = yield* asked(findExisting({ tenant, messages: offered(lines, (id) => named(tenant, id)) }))
        const byId = new Map<string, Head>()
        found.forEach((head, i) => head === undefined ? undefined : byId.set(ids[i]!, head))
        return { heads: byId, messages }
      }),
    exported: (tenant) =>
      Stream.paginate("", (after) =>
        Effect.map(asked(exportPage({ tenant, after, limit: exportPageLimit })), ({ items, last }) =>
          [items, Option.fromNullOr(last)] as const)),
    counted: (tenant) => asked(counts(tenant)),
    writes: (tenant) =>
      Stream.paginate(0, (after) =>
        Effect.map(asked(writesPage({ tenant, after, limit: writesPageLimit })), ({ items, last }) => [items, Option.fromNullOr(last)] as const)),
    digest: (tenant) => asked(stateSeen(tenant)),
    changes: (tenant, log, cursor) =>
      asked(Effect.gen(function*() {
        return yield* changes({ tenant, cursor, ...log === undefined ? { order: "arrival" as const, history: yield* generation(tenant) } : { order: "log" as const, history: log } })
      })),
    peers: (tenant) => asked(peersSeen(tenant)),
    telemetry: (wanted) =>
      Effect.map(Effect.andThen(ours(wanted.cursor), asked(listTelemetry(wanted))), ({ cursor, items }) => ({
        events: items.map(({ event, peer, seq, stored, tenant }) => ({ ...event, peer_id: peer, stored_at: isoTime(stored), seq, ...whose(wanted, tenant) })),
        next_cursor: cursor
      })),
    telemetryHours: (wanted) =>
      Effect.map(Effect.andThen(ours(wanted.cursor), asked(telemetryHours(wanted))), ({ cursor, items }) => ({ hours: items.map((hour) => ({ ...hourOf(hour), ...whose(wanted, hour.tenant) })), next_cursor: cursor })),
    dashboard: (tenant, hours) => asked(dashboard(tenant, hours)),
    settings: (tenant) =>
      asked(Effect.gen(function*() {
        const { settings } = yield* settingsOf(tenant)
        return { settings, latest: yield* latestChange(tenant) }
      }))
  }
}

/** Where everybody's was asked for, each says whose it is. */
const whose = (wanted: Pick<TelemetryWanted, "tenant">, tenant: string) => wanted.tenant === undefined ? { tenant } : {}

/** Whole numbers of the tables as the units of the wire. */
const hourOf = (hour: Hour): typeof TelemetryHour.Type => ({
  hour: hour.hour,
  event_type: hour.type,
  model: hour.model === "" ? null : hour.model,
  peer_id: hour.peer,
  events: hour.events,
  latency_ms_mean: hour.latencyEvents === 0 ? null : hour.latencyMicros / hour.latencyEvents / 1000,
  latency_ms_max: hour.latencyEvents === 0 ? null : hour.latencyMicrosMax / 1000,
  tokens_used: hour.tokens,
  cost_usd: hour.costNanos / 1e9
})

/** A peer counts for `everywhere` while it was seen within this. */
const seenMax = Duration.days(30)

/** The place in the log that every peer which counts has passed. */
const everywhere = (tenant: string) =>
  Effect.gen(function*() {
    const positions = yield* peerPositions(tenant)
    if (positions.length === 0) return 0
    const since = DateTime.formatIso(DateTime.subtractDuration(yield* DateTime.now, seenMax))
    const revoked = new Set((yield* listPeers(tenant)).filter((peer) => peer.revoked !== null).map(({ peer_id }) => peer_id))
    const counting = positions.filter(({ peer_id, seen_at }) => seen_at >= since && !revoked.has(peer_id))
    return lowestPosition(counting, counting.map(({ peer_id }) => peer_id))
  })

/** Peers with how far they were when last seen. */
const peersSeen = (tenant: string) =>
  Effect.gen(function*() {
    const positions = new Map((yield* peerPositions(tenant)).map((position) => [position.peer_id, position] as const))
    return (yield* listPeers(tenant)).map((peer) => ({
      ...peer,
      status: peer.revoked === null ? "registered" : "revoked",
      log_seq: positions.get(peer.peer_id)?.log_seq ?? null,
      last_seen: positions.get(peer.peer_id)?.seen_at ?? null
    }))
  })

/** Conversations exported from one snapshot: what is held in memory at once. */
const exportPageLimit = 50
const writesPageLimit = 200

/** The newest write of a message is the one that shows. */
const writeOf = (write: HistoryItem, isCurrent: boolean): typeof Write.Type => ({
  ...write,
  source_backend: kindOf(write.stamp.source),
  source_backend_id: write.stamp.source,
  current: isCurrent
})

const offered = (lines: ReadonlyArray<ImportLine>, named: (id: string) => string) => {
  const messages: Array<Parameters<typeof findExisting>[0]["messages"][number]> = []
  for (const { conversation, messages: given } of lines) {
    for (const { content, id, role } of given) messages.push({ conversation: named(conversation), message_id: named(id), role, content })
  }
  return messages
}

/** A cursor that was made up would begin at the start, again and again. */
const ours = (cursor: string | undefined): Effect.Effect<void, Problem> =>
  cursor === undefined || Array.isArray(readCursor(cursor))
    ? Effect.void
    : Effect.fail(problem("cursor-invalid", "cursor is not a next_cursor of this list.", "Leave it out to begin at the start.", { field: "cursor" }))
