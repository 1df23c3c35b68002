import { Clock, Duration, Effect, PubSub, Result, Stream } from "effect"
import { committed, positionsOf } from "../../projections/syncState/queries.ts"
import type { CommandFailed } from "../../streams/Backend.ts"
import { decode } from "../../streams/Envelope.ts"
import type { Observing, PeerDebug, PeerMetrics, Queued } from "../../streams/Observing.ts"
import { subjects } from "../../streams/subjects.ts"
import { isoTime, millisOf } from "../../streams/time.ts"
import { unknownPeer } from "../observing/unknownPeer.ts"
import type { Base } from "./Base.ts"
import { sightingsBucket } from "./sightings.ts"
import type { Device, TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

const lookEvery = Duration.seconds(5)
/** A peer that reported within this is online. They report every ten seconds. */
export const onlineFor = Duration.seconds(30)
const queuedMax = 10
/** Errors from before are recent no more: a process that has just started does not know them. */
const recentFor = sightingsBucket.ageMax

type ObservingBase = Pick<Base, "ask" | "tenants" | "view" | "partitions" | "watch">

interface Told {
  readonly positions: ReadonlyMap<string, { readonly log_seq: number; readonly seen_at: string }>
  readonly totals: ReadonlyMap<string, { readonly commits: number; readonly events: number; readonly time: string }>
}

/** What the tables say of a tenant's peers, or of all: two questions, however many there are. */
const tell = Effect.fnUntraced(function*({ ask }: ObservingBase, tenant: string | undefined): Effect.fn.Return<Told> {
  const [positions, totals] = yield* Effect.all([ask(positionsOf(tenant)), ask(committed(tenant))], { concurrency: 2 })
  return {
    positions: new Map(positions.map((row) => [row.peer_id, row] as const)),
    totals: new Map(totals.map((row) => [row.author, row] as const))
  }
})

const isOnline = ({ positions }: Told, peer: string, now: number): boolean => {
  const position = positions.get(peer)
  return position !== undefined && now - millisOf(position.seen_at) < Duration.toMillis(onlineFor)
}

/** Seconds: the age of the oldest thing that this peer has not fetched, or has and has not committed. */
const lagOf = ({ view, watch }: ObservingBase, told: Told, tenant: string, peer: string, now: number): number => {
  const watched = watch.of(peer)
  const position = told.positions.get(peer)
  // one that fetches nothing reports no place: a companion over HTTP
  if (position !== undefined) watched.toFetch.look(now, view.of(tenant).lastSeq, position.log_seq)
  return Math.max(watched.toFetch.age(now), watched.toCommit.age(now)) / 1000
}

const metricsOf = (base: ObservingBase, told: Told, tenant: string, device: Pick<Device, "peer_id" | "backend_id">, now: number): PeerMetrics => {
  const { backend_id, peer_id } = device
  const watched = base.watch.of(peer_id)
  const lag = lagOf(base, told, tenant, peer_id, now)
  const total = told.totals.get(peer_id)
  const position = told.positions.get(peer_id)
  return {
    peer_id,
    backend_id,
    last_sync: [total?.time, lag === 0 ? position?.seen_at : undefined].filter((time) => time !== undefined).sort().at(-1) ?? null,
    sync_lag_seconds: lag,
    queue_depth: watched.pending,
    sync_success_rate: watched.tally.rate(now),
    last_error: recentErrors(base, peer_id, now)[0]?.what ?? null,
    total_syncs: total?.commits ?? 0,
    total_events: total?.events ?? 0
  }
}

const recentErrors = ({ watch }: ObservingBase, peer: string, now: number) =>
  watch.of(peer).tally.errors.filter(({ at }) => now - at < Duration.toMillis(recentFor))

const recordsOf = ({ tenants }: ObservingBase, tenant: string | undefined): ReadonlyArray<TenantRecord> =>
  [...tenants.all()].filter((record) => tenant === undefined || record.tenant === tenant)

const allOf = Effect.fnUntraced(function*(base: ObservingBase, tenant: string | undefined): Effect.fn.Return<ReadonlyArray<PeerMetrics>> {
  const told = yield* tell(base, tenant)
  const now = yield* Clock.currentTimeMillis
  return recordsOf(base, tenant).flatMap((record) => record.devices.map((device) => metricsOf(base, told, record.tenant, device, now)))
})

/**
 * Note how far every peer is, so that it can be told how long something has waited; and tell when one went away or fell
 * behind, which no report of it does. For ever.
 */
export const keepLooking = (base: ObservingBase & Pick<Base, "peersMoved">): Effect.Effect<never> =>
  Effect.suspend(() => {
    let before = ""
    return Effect.gen(function*() {
      const told = yield* tell(base, undefined)
      const now = yield* Clock.currentTimeMillis
      const peers = recordsOf(base, undefined).flatMap(({ devices, tenant }) => devices.map((device) => ({ device, lag: lagOf(base, told, tenant, device.peer_id, now) })))
      base.watch.keepOnly(new Set(peers.map(({ device }) => device.peer_id)))
      // how long it has waited so far, everybody's own clock tells
      const seen = JSON.stringify(peers.map(({ device: { peer_id }, lag }) => [peer_id, isOnline(told, peer_id, now), lag > 0]))
      if (seen !== before) yield* PubSub.publish(base.peersMoved, undefined)
      before = seen
      yield* Effect.sleep(lookEvery)
    }).pipe(Effect.forever)
  })

/** What is said of a name no peer has: which there are. */
export const unknownHere = ({ tenants }: { readonly tenants: Pick<Tenants, "all"> }, peer: string): CommandFailed =>
  unknownPeer(peer, [...tenants.all()].flatMap(({ devices, user_id }) => devices.map(({ identity, peer_id }) => ({ peer_id, about: `${user_id}'s, ${identity.backend_type}` }))), "maestra hosted peers")

/** How syncing goes with every peer of every tenant, as all hosted processes together see it. */
export const hostedObserving = (base: ObservingBase): Omit<Observing["Service"], "gauges" | "checks"> => {
  const find = Effect.fnUntraced(function*(peer: string) {
    for (const record of base.tenants.all()) {
      const device = record.devices.find(({ peer_id }) => peer_id === peer)
      const gone = record.gone.find(({ peer_id }) => peer_id === peer)
      if (device !== undefined || gone !== undefined) return { record, device, gone, ids: (device ?? gone)! }
    }
    return yield* unknownHere(base, peer)
  })
  return {
    all: (tenant) => allOf(base, tenant),
    metrics: Effect.fnUntraced(function*(peer) {
      const { ids, record } = yield* find(peer)
      return metricsOf(base, yield* tell(base, record.tenant), record.tenant, ids, yield* Clock.currentTimeMillis)
    }),
    debug: Effect.fnUntraced(function*(peer): Effect.fn.Return<PeerDebug, CommandFailed> {
      const { device, gone, ids, record } = yield* find(peer)
      const now = yield* Clock.currentTimeMillis
      const told = yield* tell(base, record.tenant)
      const metrics = metricsOf(base, told, record.tenant, ids, now)
      const position = told.positions.get(peer)
      return {
        peer_info: { peer_id: peer, backend_id: ids.backend_id, tenant: record.tenant, user_id: record.user_id, ...infoOf(device), ...(gone === undefined ? {} : { [gone.what]: gone.at }) },
        ...sessionOf(device, now),
        offline_queue: device === undefined || position === undefined ? [] : yield* queued(base, record.tenant, position.log_seq),
        recent_errors: recentErrors(base, peer, now).map(({ at, what }) => ({ at: isoTime(at), what })),
        network_status: {
          link: isOnline(told, peer, now) ? "up" : "down",
          last_seen: position?.seen_at ?? null,
          log_seq: position?.log_seq ?? null,
          behind: position === undefined ? null : Math.max(0, base.view.of(record.tenant).lastSeq - position.log_seq),
          pending_there: metrics.queue_depth
        },
        last_successful_sync: metrics.last_sync,
        sync_lag: metrics.sync_lag_seconds
      }
    }),
    presence: Effect.fnUntraced(function*(tenant) {
      const told = yield* tell(base, tenant)
      const now = yield* Clock.currentTimeMillis
      const peers = recordsOf(base, tenant).flatMap(({ devices }) => devices)
      return { total: peers.length, online: peers.filter(({ peer_id }) => isOnline(told, peer_id, now)).length }
    })
  }
}

const infoOf = (device: Device | undefined): Readonly<Record<string, unknown>> =>
  device === undefined ? {} : {
    backend_type: device.identity.backend_type,
    capabilities: device.identity.capabilities,
    registered_at: device.registered_at,
    expires_at: device.expires_at,
    keys: device.keys.map(({ keyId, until }) => ({ key_id: keyId, ...(until === undefined ? {} : { until }) })),
    ...(device.companion_of === undefined ? {} : { companion_of: device.companion_of })
  }

const sessionOf = (device: Device | undefined, now: number): Pick<PeerDebug, "sbt_status" | "sbt_expires_in"> => {
  if (device === undefined) return { sbt_status: "revoked", sbt_expires_in: null }
  const left = Math.round((millisOf(device.expires_at) - now) / 1000)
  return { sbt_status: left > 0 ? "valid" : "expired", sbt_expires_in: left }
}

/** The oldest ten messages of the log that the peer has not fetched. */
const queued = ({ partitions, view }: ObservingBase, tenant: string, position: number): Effect.Effect<ReadonlyArray<Queued>> => {
  const through = view.of(tenant).lastSeq
  if (through <= position) return Effect.succeed([])
  return partitions.of(tenant).log.readRange({ from: position + 1, through, filter: subjects.logTenant(tenant) }).pipe(
    Stream.flattenIterable,
    Stream.take(queuedMax),
    Stream.runCollect,
    Effect.map((messages) => messages.map(({ data, seq, time }): Queued => {
      const read = decode(data)
      // what is no event is a commit record
      const [event_id, type, conversation_id] = Result.isSuccess(read) ? [read.success.id, read.success.type, read.success.subject] : [null, "commit", null]
      return { seq, event_id, type, conversation_id, time: isoTime(time), bytes: data.length }
    })),
    Effect.orElseSucceed(() => []))
}
