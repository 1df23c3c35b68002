import { Clock, Duration, Effect, Result, Stream, SubscriptionRef } from "effect"
import { CommandFailed } from "../../streams/Backend.ts"
import { decode } from "../../streams/Envelope.ts"
import type { Observing, PeerDebug, PeerMetrics, Queued } from "../../streams/Observing.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import type { EventLog } from "../nats/EventLog.ts"
import { unknownPeer } from "../observing/unknownPeer.ts"
import { keyId } from "../security/keys.ts"
import type { CompanionStore } from "./companions.ts"
import type { Journal } from "./Journal.ts"
import type { PairedWith } from "./Pairing.ts"
import { linkUp, pairedIn, type State } from "./State.ts"
import type { Tables } from "./Tables.ts"

export interface ObservingContext {
  readonly state: State
  readonly journal: Pick<Journal, "acknowledged">
  readonly journalLog: EventLog
  readonly logRead: () => number
  readonly source: string
  readonly companions: Pick<CompanionStore, "all" | "of">
  readonly tables: Pick<Tables, "committed" | "peers" | "quarantined">
}

const lookEvery = Duration.seconds(5)
/** A peer that reported within this is online. They report every ten seconds. */
const onlineFor = Duration.seconds(30)
const queuedMax = 10

/** Note how far both ways are, so that it can be told how long something has waited. */
const look = ({ journal, logRead, state }: ObservingContext, now: number): void => {
  const relayed = SubscriptionRef.getUnsafe(state.relayed).to
  state.toSend.look(now, SubscriptionRef.getUnsafe(state.held) === undefined ? journal.acknowledged() : relayed, relayed)
  const heard = SubscriptionRef.getUnsafe(state.heard)
  if (heard !== undefined) state.toReceive.look(now, heard.tenantLastSeq, logRead())
}

/** For ever. */
export const keepLooking = (context: ObservingContext): Effect.Effect<never> =>
  Clock.currentTimeMillis.pipe(Effect.map((now) => look(context, now)), Effect.andThen(Effect.sleep(lookEvery)), Effect.forever)

/**
 * Seconds: the age of the oldest thing that was not sent or not fetched. While the link is down nobody knows what is
 * over there, so it is at least as long as that. 0 where there is no other side. What a setting keeps here does not wait.
 */
export const lagSeconds = (context: ObservingContext, now: number): number => {
  const { state } = context
  if (pairedIn(state)?.with === undefined) return 0
  look(context, now)
  const link = SubscriptionRef.getUnsafe(state.link)
  return Math.max(state.toSend.age(now), state.toReceive.age(now), link.up ? 0 : now - link.since) / 1000
}

/** Events written here that are not in the log yet. */
export const queueDepth = ({ journal, state }: Pick<ObservingContext, "journal" | "state">): number =>
  Math.max(0, journal.acknowledged() - SubscriptionRef.getUnsafe(state.relayed).to)

const notPaired = new CommandFailed({ status: 404, type: "unknown-peer", hint: "This machine is not paired and knows no peers: `maestra local pair CODE`." })

/** This machine. */
const own = Effect.fnUntraced(function*(context: ObservingContext, paired: PairedWith): Effect.fn.Return<PeerMetrics> {
  const { state, tables } = context
  const now = yield* Clock.currentTimeMillis
  const lag = lagSeconds(context, now)
  const relayed = SubscriptionRef.getUnsafe(state.relayed)
  const heard = SubscriptionRef.getUnsafe(state.heard)
  const total = (yield* tables.committed).find(({ author }) => author === paired.peer_id)
  const times = [total?.time, relayed.at === 0 ? undefined : isoTime(relayed.at), heard !== undefined && lag === 0 ? isoTime(heard.at) : undefined]
  return {
    peer_id: paired.peer_id,
    backend_id: context.source,
    last_sync: times.filter((time) => time !== undefined).sort().at(-1) ?? null,
    sync_lag_seconds: lag,
    queue_depth: queueDepth(context),
    sync_success_rate: state.tally.rate(now),
    last_error: state.tally.errors[0]?.what ?? null,
    total_syncs: total?.commits ?? 0,
    total_events: total?.events ?? 0
  }
})

/** Another device of the same person: what it wrote, and how far it is, as the log and the hosted side tell it. */
const other = Effect.fnUntraced(function*({ logRead, state, tables }: ObservingContext, peer: string, backendId: string): Effect.fn.Return<PeerMetrics> {
  const now = yield* Clock.currentTimeMillis
  const total = (yield* tables.committed).find(({ author }) => author === peer)
  const position = SubscriptionRef.getUnsafe(state.heard)?.positions.find(({ peer_id }) => peer_id === peer)
  const isBehind = position !== undefined && position.log_seq < logRead()
  return {
    peer_id: peer,
    backend_id: backendId,
    last_sync: [total?.time, position?.seen_at].filter((time) => time !== undefined).sort().at(-1) ?? null,
    sync_lag_seconds: isBehind ? Math.max(0, now - millisOf(position.seen_at)) / 1000 : 0,
    queue_depth: 0,
    sync_success_rate: 1,
    last_error: null,
    total_syncs: total?.commits ?? 0,
    total_events: total?.events ?? 0
  }
})

/** Backend ids by peer: the devices the log tells of, and companions that it does not tell of yet. */
const known = ({ companions, tables }: ObservingContext) =>
  Effect.map(tables.peers, (peers) => new Map([
    ...companions.all().map(({ backend_id, peer_id }) => [peer_id, backend_id] as const),
    ...peers.filter(({ revoked }) => revoked === null).map(({ backend_id, peer_id }) => [peer_id, backend_id] as const)
  ]))

/** How syncing goes, as a local backend sees it: its own, and what it knows of the person's other devices. */
export const localObserving = (context: ObservingContext): Omit<Observing["Service"], "gauges" | "checks"> => {
  const { state } = context
  const metrics = Effect.fnUntraced(function*(peer: string) {
    const paired = pairedIn(state)?.with
    if (paired === undefined) return yield* notPaired
    if (paired.peer_id === peer) return yield* own(context, paired)
    const peers = yield* known(context)
    const backendId = peers.get(peer)
    if (backendId !== undefined) return yield* other(context, peer, backendId)
    const others = [...peers].filter(([other]) => other !== paired.peer_id)
    const there = [{ peer_id: paired.peer_id, about: "this machine" }, ...others.map(([peer_id, id]) => ({ peer_id, about: id.replace(/_sha256_.*/, "") }))]
    return yield* unknownPeer(peer, there, "maestra local peers")
  })
  return {
    metrics,
    all: () =>
      Effect.gen(function*() {
        const paired = pairedIn(state)?.with
        if (paired === undefined) return []
        const others = [...yield* known(context)].filter(([peer]) => peer !== paired.peer_id)
        return [yield* own(context, paired), ...yield* Effect.forEach(others, ([peer, backendId]) => other(context, peer, backendId))]
      }),
    debug: Effect.fnUntraced(function*(peer): Effect.fn.Return<PeerDebug, CommandFailed> {
      const told = yield* metrics(peer)
      const paired = pairedIn(state)?.with
      return paired !== undefined && peer === paired.peer_id ? yield* debugOwn(context, paired, told) : yield* debugOther(context, told)
    }),
    presence: () => presence(context)
  }
}

const presence = Effect.fnUntraced(function*(context: ObservingContext) {
  const { state } = context
  const paired = pairedIn(state)?.with
  if (paired === undefined) return { total: 0, online: 0 }
  const now = yield* Clock.currentTimeMillis
  const peers = new Set([paired.peer_id, ...(yield* known(context)).keys()])
  const online = new Set(onlinePeers(state, now).filter((peer) => peers.has(peer)))
  if (linkUp(state)) online.add(paired.peer_id)
  else online.delete(paired.peer_id)
  return { total: peers.size, online: online.size }
})

const onlinePeers = (state: State, now: number): ReadonlyArray<string> =>
  (SubscriptionRef.getUnsafe(state.heard)?.positions ?? []).filter(({ seen_at }) => now - millisOf(seen_at) < Duration.toMillis(onlineFor)).map(({ peer_id }) => peer_id)

const sessionOf = (expiresAt: string, now: number): Pick<PeerDebug, "sbt_status" | "sbt_expires_in"> => {
  const left = Math.round((millisOf(expiresAt) - now) / 1000)
  return { sbt_status: left > 0 ? "valid" : "expired", sbt_expires_in: left }
}

const debugOwn = Effect.fnUntraced(function*(context: ObservingContext, paired: PairedWith, told: PeerMetrics): Effect.fn.Return<PeerDebug> {
  const { state } = context
  const now = yield* Clock.currentTimeMillis
  const link = SubscriptionRef.getUnsafe(state.link)
  const errors = [...state.errors, ...state.tally.errors].sort((a, b) => b.at - a.at).slice(0, queuedMax)
  return {
    peer_info: {
      peer_id: paired.peer_id, backend_id: told.backend_id, tenant: paired.tenant, hosted_url: paired.hosted_url, hosted_fingerprint: keyId(paired.hosted.public_key),
      leaf_urls: paired.leaf_urls, log: paired.log, log_id: paired.log_id, log_epoch: paired.log_epoch
    },
    ...sessionOf(paired.expires_at, now),
    offline_queue: yield* queued(context),
    recent_errors: errors.map(({ at, what }) => ({ at: isoTime(at), what })),
    network_status: {
      link: link.up ? "up" : "down",
      since: isoTime(link.since),
      ...(link.reason === undefined ? {} : { reason: link.reason }),
      paused: SubscriptionRef.getUnsafe(state.paused),
      retries: state.retries
    },
    last_successful_sync: told.last_sync,
    sync_lag: told.sync_lag_seconds
  }
})

/** The oldest ten that wait to be sent. */
const queued = ({ journal, journalLog, state }: ObservingContext): Effect.Effect<ReadonlyArray<Queued>> => {
  const from = SubscriptionRef.getUnsafe(state.relayed).to + 1
  const through = Math.min(journal.acknowledged(), from + queuedMax - 1)
  if (through < from) return Effect.succeed([])
  return journalLog.readRange({ from, through }).pipe(
    Stream.runCollect,
    Effect.map((batches) => batches.flat().map(({ data, seq, time }): Queued => {
      const read = decode(data)
      const [event_id, type, conversation_id] = Result.isSuccess(read) ? [read.success.id, read.success.type, read.success.subject] : [null, null, null]
      return { seq, event_id, type, conversation_id, time: isoTime(time), bytes: data.length }
    })),
    // a server that does not answer is told of by everything else
    Effect.orElseSucceed(() => []))
}

const debugOther = Effect.fnUntraced(function*({ companions, state, tables }: ObservingContext, told: PeerMetrics): Effect.fn.Return<PeerDebug> {
  const now = yield* Clock.currentTimeMillis
  const peer = (yield* tables.peers).find(({ peer_id }) => peer_id === told.peer_id)
  const expiresAt = peer?.expires_at ?? companions.of(told.peer_id)?.expires_at
  const position = SubscriptionRef.getUnsafe(state.heard)?.positions.find(({ peer_id }) => peer_id === told.peer_id)
  return {
    peer_info: { peer_id: told.peer_id, backend_id: told.backend_id, ...(peer === undefined ? {} : { backend_type: peer.backend_type, key_id: peer.key_id, registered_at: peer.registered_at, confirmed: peer.confirmed }) },
    ...expiresAt === undefined ? { sbt_status: "none", sbt_expires_in: null } as const : sessionOf(expiresAt, now),
    offline_queue: [],
    recent_errors: [],
    network_status: { link: onlinePeers(state, now).includes(told.peer_id) ? "up" : "unknown", last_seen: position?.seen_at ?? null, log_seq: position?.log_seq ?? null },
    last_successful_sync: told.last_sync,
    sync_lag: told.sync_lag_seconds
  }
})
