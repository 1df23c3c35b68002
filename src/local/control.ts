import { Clock, Duration, Effect, Option, SubscriptionRef } from "effect"
import { CommandFailed, LocalControl, type LocalStatus, type Reached, type Tier, type WriteError, type Written } from "../../streams/Backend.ts"
import type { Observing } from "../../streams/Observing.ts"
import { isoTime } from "../../streams/time.ts"
import type { Disk } from "../nats/diskGuard.ts"
import type { EventLog, LogUnavailable } from "../nats/EventLog.ts"
import type { Journal } from "./Journal.ts"
import { pair, type RegistrationContext, renew, unpair } from "./registration.ts"
import { awaitRef, bump, pairedIn } from "./State.ts"
import { sentenceOf } from "./status.ts"
import type { Tables } from "./Tables.ts"

export interface ControlContext extends RegistrationContext {
  readonly tables: Tables
  readonly journal: Journal
  readonly journalLog: EventLog
  readonly logRead: () => number
  readonly askNow: Effect.Effect<void>
  /** Write what the surface setting withheld once more. */
  readonly rejournal: Effect.Effect<number, WriteError | LogUnavailable>
  readonly peerKey: (peer: string) => Effect.Effect<string | undefined>
  readonly debugPeer: Observing["Service"]["debug"]
  readonly versions: LocalStatus["versions"]
  readonly disk: SubscriptionRef.SubscriptionRef<Disk>
  /** How long the link has to be down before it counts as offline: a renewal takes about one second. */
  readonly offlineAfter: Duration.Duration
}

const onDisk = (error: { readonly hint: string }) => new CommandFailed({ status: 503, type: "not-stored", hint: error.hint })

const diskFull = "the disk is full. Nothing is lost; make room, and writes are taken again by themselves"

/** A report older than this, and `status` asks again before it answers. */
const headFresh = Duration.seconds(2)
/** As long as an answer is waited for. A report that is older after that is old news. */
const headOld = Duration.seconds(5)

export const makeControl = (context: ControlContext): LocalControl["Service"] => {
  const { state } = context
  return LocalControl.of({
    status: Effect.suspend(() => statusOf(context)),
    pair: (code) => pair(context, code),
    unpair: unpair(context),
    pause: turn(context, true).pipe(Effect.orDie),
    resume: Effect.gen(function*() {
      const held = SubscriptionRef.getUnsafe(state.paired)
      if (Option.isSome(held) && held.value.with.expires_at <= isoTime(yield* Clock.currentTimeMillis)) yield* renew(context)
      yield* SubscriptionRef.set(state.needs, undefined)
      yield* turn(context, false).pipe(Effect.mapError(onDisk))
    }),
    resync: ({ withheld }) =>
      Effect.gen(function*() {
        if (Option.isNone(SubscriptionRef.getUnsafe(state.paired))) {
          return yield* new CommandFailed({ status: 409, type: "not-paired", hint: "This machine is not paired, so there is nothing to read again: `maestra local pair CODE`." })
        }
        const anew = withheld ? yield* context.rejournal.pipe(Effect.mapError(() => new CommandFailed({ status: 503, type: "not-stored", hint: "The local nats-server does not answer; try again in a moment." }))) : 0
        yield* SubscriptionRef.set(state.needs, undefined)
        yield* bump(state.mirrorWanted)
        yield* bump(state.relayWanted)
        return { sentence: withheld ? `reading the log again from its beginning; ${anew} withheld events were journalled anew` : "reading the log again from its beginning, and comparing what was sent; nothing is lost" }
      }),
    confirm: (peer) =>
      Effect.gen(function*() {
        const key = yield* context.peerKey(peer)
        if (key === undefined) return yield* new CommandFailed({ status: 404, type: "unknown-peer", hint: `There is no peer ${peer}; \`maestra local peers\` lists them.` })
        yield* context.journal.write([{ fact: { type: "peer.confirmed", data: { peer_id: peer, key_id: key } }, subject: peer, surface: "cli" }]).pipe(Effect.mapError(onDisk))
      }),
    debug: Effect.gen(function*() {
      const peer = pairedIn(state)?.with.peer_id
      return {
        status: yield* statusOf(context),
        ...peer === undefined ? { peer_info: null, sbt_status: "none", sbt_expires_in: null } : yield* context.debugPeer(peer),
        retries: state.retries,
        positions: SubscriptionRef.getUnsafe(state.heard)?.positions ?? [],
        problems: yield* context.tables.problems
      }
    }).pipe(Effect.orDie)
  })
}

/** The server drops the link within some 20 ms of reading its configuration; whoever pauses does not wait longer than this. */
const downMax = Duration.seconds(1)

/** The leaf link off or on, which outlasts a restart. Paused, nothing leaves any more once this returns: neither over the link nor over HTTP. */
export const turn = Effect.fnUntraced(function*({ leaf, server, state }: RegistrationContext, paused: boolean) {
  if (paused) yield* SubscriptionRef.set(state.paused, true)
  yield* paused ? leaf.pause : leaf.resume
  yield* server.reload
  if (paused) yield* awaitRef(state.link, ({ up }) => !up).pipe(Effect.timeoutOption(downMax))
  else yield* SubscriptionRef.set(state.paused, false)
})

const statusOf = Effect.fnUntraced(function*(context: ControlContext): Effect.fn.Return<LocalStatus> {
  const { state } = context
  const now = yield* Clock.currentTimeMillis
  const before = SubscriptionRef.getUnsafe(state.heard)
  if (SubscriptionRef.getUnsafe(state.link).up && (before === undefined || now - before.at > Duration.toMillis(headFresh))) yield* context.askNow
  const held = pairedIn(state)?.with
  const paused = SubscriptionRef.getUnsafe(state.paused)
  const link = SubscriptionRef.getUnsafe(state.link)
  const heard = SubscriptionRef.getUnsafe(state.heard)
  const relayed = SubscriptionRef.getUnsafe(state.relayed)
  const disk = SubscriptionRef.getUnsafe(context.disk)
  const needs = SubscriptionRef.getUnsafe(state.needs) ?? (disk.state === "full" ? diskFull : undefined)
  const held_by = SubscriptionRef.getUnsafe(state.held)
  const pending = Math.max(0, context.journal.acknowledged() - relayed.to)
  const behind = heard === undefined ? undefined : Math.max(0, heard.tenantLastSeq - context.logRead())
  const down = !link.up && now - link.since > Duration.toMillis(context.offlineAfter)
  const silentFor = heard === undefined || !link.up ? 0 : (yield* Clock.currentTimeMillis) - heard.at
  const silent = silentFor > Duration.toMillis(headOld)
  const offlineSince = held !== undefined && !paused && down ? isoTime(link.since) : undefined
  const counts = yield* context.tables.counts
  return {
    ...sentenceOf({ paired: held !== undefined, paused, needs, offlineSince, pending: held === undefined ? 0 : pending, held: held_by, behind, heardSecondsAgo: silent ? Math.round(silentFor / 1000) : 0 }),
    backend_id: context.self.identity.backend_id,
    peer_id: held?.peer_id ?? null,
    hosted_url: held?.hosted_url ?? null,
    paused,
    offline_since: offlineSince ?? null,
    silent_since: silent && heard !== undefined ? isoTime(heard.at) : null,
    pending,
    held_by: held_by ?? null,
    behind: behind ?? 0,
    journal_seq: context.journal.acknowledged(),
    relayed_seq: relayed.to,
    mirror_seq: context.logRead(),
    tenant_last_seq: heard?.tenantLastSeq ?? null,
    log_epoch: held?.log_epoch ?? null,
    last_sync: relayed.at === 0 ? null : isoTime(relayed.at),
    registration_expires_at: held?.expires_at ?? null,
    conversations: counts.conversations,
    messages: counts.messages,
    conflicts: counts.conflicts,
    quarantined: counts.quarantined,
    set_aside: counts.setAside,
    needs: needs ?? null,
    disk: { state: disk.state, free_bytes: disk.freeBytes },
    versions: context.versions
  }
})

/** Peers report once a second at most, so asking more often tells nothing new. */
const askEvery = Duration.millis(500)

/** Wait until the writes reached a tier, or the time is over; say how far they came and who is missing. */
export const reach = Effect.fnUntraced(function*(context: ControlContext, written: ReadonlyArray<Written>, tier: Tier, timeoutMillis: number): Effect.fn.Return<Reached> {
  const last = written.at(-1)
  if (last === undefined || tier === "local") return { tier: "local", missing: [] }
  const { state } = context
  const deadline = (yield* Clock.currentTimeMillis) + timeoutMillis
  let logSeq: number | undefined
  for (;;) {
    const relayed = SubscriptionRef.getUnsafe(state.relayed)
    if (logSeq === undefined && relayed.to >= last.position) logSeq = relayed.logSeq
    if (logSeq !== undefined && tier === "hosted") return { tier: "hosted", missing: [] }
    const now = yield* Clock.currentTimeMillis
    if (logSeq !== undefined) {
      yield* context.askNow
      const positions = SubscriptionRef.getUnsafe(state.heard)?.positions ?? []
      const missing = positions.filter((peer) => peer.log_seq < logSeq!).map(({ peer_id }) => peer_id)
      if (positions.length > 0 && missing.length === 0) return { tier: "everywhere", missing: [] }
      if (now >= deadline) return { tier: "hosted", missing }
      yield* Effect.sleep(Duration.min(askEvery, Duration.millis(deadline - now)))
    } else if (now >= deadline) return { tier: "local", missing: [] }
    else yield* awaitRef(state.relayed, ({ to }) => to >= last.position).pipe(Effect.timeoutOption(Duration.millis(deadline - now)))
  }
})
