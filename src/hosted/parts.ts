import { Clock, Duration, Effect, Result, SubscriptionRef } from "effect"
import { damage, reportPositions } from "../../projections/syncState/queries.ts"
import { defaults } from "../../streams/events/settings.ts"
import { count } from "../../streams/metrics.ts"
import { millisOf } from "../../streams/time.ts"
import type { Opened } from "../../streams/Envelope.ts"
import type { HeadRequest } from "../../streams/Verdict.ts"
import { isOwnReply } from "../nats/hubSecrets.ts"
import { signingKeyId } from "../nats/signingKeys.ts"
import { auditedFact } from "../security/auditedFact.ts"
import { openData } from "../security/envelopes.ts"
import { peerIdOf } from "../security/peerId.ts"
import type { Standing } from "../security/admit.ts"
import { meetEpoch, type Parts } from "./Base.ts"
import { type Committer, committerAcross, makeCommitter, type Waits } from "./Committer.ts"
import { type Heads, headsAcross, makeHeads } from "./Heads.ts"
import type { IngestContext, IngestFacts } from "./ingest.ts"
import { joinedMark } from "./LogMark.ts"
import { project } from "./LogView.ts"
import { nextBump } from "./nextBump.ts"
import { makeOwnCommits, type OwnCommits } from "./OwnCommits.ts"
import type { Partition } from "./Partitions.ts"
import { tellReport } from "./reports.ts"
import { remembered } from "./tablesOf.ts"
import type { Device } from "./TenantRecord.ts"

const retryEvery = Duration.seconds(1)
/** Tables that are far behind hold nobody up. */
const settleMax = Duration.seconds(2)
const markEvery = Duration.seconds(1)
const identityEvery = Duration.seconds(2)

/** Keep the tables in step with every partition of the log, for ever; from their cursors again after they were emptied. */
export const keepProjecting = (base: Parts, chains: Pick<Chains, "heads">): Effect.Effect<never> =>
  Effect.andThen(
    Effect.forEach(base.partitions.all, (partition) => keepProjectingOne(base, partition, chains), { concurrency: "unbounded", discard: true }),
    Effect.never)

const keepProjectingOne = (base: Parts, partition: Partition, { heads }: Pick<Chains, "heads">): Effect.Effect<never> => {
  const { ask, partitions, projections, view } = base
  const mine = <A extends readonly [string, ...Array<unknown>]>(rows: Iterable<A>) => [...rows].filter(([tenant]) => partitions.of(tenant) === partition)
  let read = String(partition.mark.log_epoch)
  return Effect.suspend(() => {
    const epoch = String(partition.mark.log_epoch)
    const turned = epoch !== read
    read = epoch
    // what was known of the log's ends and chains was of the log before
    const forget = Effect.sync(() => {
      heads.forget()
      for (const tenant of partitions.tenantsOf(partition)) view.forget(tenant)
    })
    return Effect.when(Effect.andThen(forget, Effect.orDie(meetEpoch(projections, partition, partitions))), Effect.succeed(turned)).pipe(
      Effect.andThen(Effect.raceFirst(
        project({
          ...base,
          log: partition.log,
          cursor: partition.cursor,
          epoch,
          remembered: Effect.map(ask(remembered), ({ heads, keys }) => ({ heads: mine(heads), keys: mine(keys) })),
          open: (tenant, envelope) => {
            const held = base.opened.take(envelope)
            return held === undefined ? base.keyring.open(tenant, envelope) : Result.succeed(held)
          },
          settingsChanged: base.refreshSettings,
          erased: base.forgetting.heard,
          quarantined: (tenant, what, seq) => base.audit.count({ type: "commit.quarantined", tenant, data: { reason: what, seq } }),
          doubt: SubscriptionRef.update(base.doubted, (n) => n + 1)
        }).pipe(
          // the tables hold the registration now, with which the rest counts
          Effect.andThen(Effect.orDie(projections.newEpoch(partition.cursor, epoch, partitions.tenantsOf(partition)))),
          Effect.catchTag("LogUnavailable", () => Effect.sleep(retryEvery))),
        Effect.raceFirst(nextBump(base.reread), nextBump(partition.turned))
      )))
  }).pipe(Effect.forever)
}

/** Remember outside the stream store how far the log has gone; a process that joined follows its owner's word. */
export const keepMark = (base: Parts) => {
  const { marks, partitions, view } = base
  if (marks === undefined) {
    return Effect.sleep(identityEvery).pipe(
      Effect.andThen(Effect.forEach(partitions.all, (partition) => Effect.ignore(follow(partition, base)), { discard: true })),
      Effect.forever)
  }
  const keep = Effect.forEach(partitions.all, (partition) => {
    const at = view.greatest(partitions.tenantsOf(partition))
    if (at <= partition.mark.high_water) return Effect.void
    partition.mark = { ...partition.mark, high_water: at }
    // late is harmless; a full disk is not a reason to stop
    return marks(partition.log).save(partition.mark).pipe(Effect.catch(({ hint }) => Effect.logWarning("how far the log has gone cannot be noted", { hint })))
  }, { discard: true })
  return Effect.sleep(markEvery).pipe(Effect.andThen(keep), Effect.forever, Effect.ensuring(keep))
}

const follow = Effect.fnUntraced(function*(partition: Partition, { admin, keyRecord, signerRecord, tenants }: Pick<Parts, "admin" | "keyRecord" | "signerRecord" | "tenants">) {
  const before = partition.mark.log_epoch
  partition.mark = yield* joinedMark(partition.log)
  if (partition.mark.log_epoch === before) return
  yield* Effect.logWarning("the log was restored; reading it again", { log: partition.log.name, epoch: partition.mark.log_epoch })
  // on a hub of one server the tenant store lies beside the log
  yield* tenants.restored
  yield* admin.restored
  yield* keyRecord.restored
  yield* signerRecord.restored
  yield* SubscriptionRef.update(partition.turned, (n) => n + 1)
})

/** Heads, and the committer that extends them. */
export interface Chains {
  readonly heads: Heads
  readonly committer: Committer
  readonly waits: Waits
}

export const openChains = Effect.fnUntraced(function*({ doubted, hosted, partitions, tenants }: Parts) {
  const indexOf = (tenant: string) => partitions.of(tenant).index
  const heads = headsAcross(partitions.all.map(({ log }) => makeHeads(log)), indexOf)
  const fence = (chain: string) => {
    const [tenant = "", author = ""] = chain.split(".")
    const keys = author === "hosted" ? hosted.keys : tenants.peek(tenant)?.devices.find(({ peer_id }) => peer_id === author)?.keys ?? []
    return heads.read(tenant, author, keys).pipe(Effect.map(({ fence }) => fence), Effect.orElseSucceed(() => undefined))
  }
  const waits: Waits = { bytes: 0 }
  const committers = yield* Effect.forEach(partitions.all, ({ log }) => makeCommitter(log, fence, waits, SubscriptionRef.update(doubted, (n) => n + 1)))
  return { heads, committer: committerAcross(committers, indexOf), waits } satisfies Chains
})

/** Reading all of the log takes a quarter of a core for a while: a device cannot have that done more often. */
const doubtEvery = Duration.minutes(10)

/** The device waits five seconds for its answer. */
const movePatience = Duration.seconds(3)

export const ingestOf = (base: Parts, chains: Chains): IngestContext => {
  const { ask, connection, logIdentity, opened, partitions, peers, positions, view, watch } = base
  const logOf = (tenant: string) => partitions.of(tenant).log.name
  let doubtedAt = -Infinity
  const movedAt = new Map<string, number>()
  const isDue = (last: number, at: number) => at - last >= Duration.toMillis(doubtEvery)
  /**
   * A device finds more of the log spoiled than the tables here know of: nats-server reads a file again only now and then,
   * and on a cluster each server gives its own copy. So all of it is read again, and the device is fed from another
   * server. Answers whether it is, and has to fetch its mirror anew.
   */
  const isWorse = Effect.fnUntraced(function*(tenant: string, sender: string, { damaged }: HeadRequest, at: number) {
    if (damaged === undefined || damaged <= ((yield* ask(damage)).get(tenant) ?? 0)) return false
    if (isDue(doubtedAt, at)) {
      doubtedAt = at
      yield* Effect.logWarning("a device finds places in the log that do not verify; reading all of it again", { tenant, places: damaged })
      yield* SubscriptionRef.update(base.doubted, (n) => n + 1)
    }
    if (!isDue(movedAt.get(sender) ?? -Infinity, at)) return false
    movedAt.set(sender, at)
    // one that is half way has lost its place too
    const moved = yield* peers.moveConsumer(logOf(tenant), tenant, sender).pipe(Effect.orElseSucceed(() => false), Effect.timeoutOrElse({ duration: movePatience, orElse: () => Effect.succeed(true) }))
    if (moved) yield* Effect.logWarning("its mirror comes from another server now: see that one's disk", { tenant, peer: sender })
    return moved
  })
  return {
    ...chains,
    connection,
    identity: logIdentity,
    mayAnswer: isOwnReply,
    leafIssuer: () => {
      const { signer } = SubscriptionRef.getUnsafe(base.signerRecord.held)
      return signer === null ? undefined : signingKeyId(signer)
    },
    offered: ({ events }) => {
      for (const event of events) if (event.opened !== undefined) opened.put(event.opened)
    },
    committed: (tenant, admitted, lastSeq) => {
      view.committed(tenant, lastSeq, admitted.greatestLamport)
      return Effect.forEach(admitted.events, ({ opened }) => opened === undefined ? Effect.void : auditEvent(base, tenant, opened), { discard: true })
    },
    // a name nobody here was given is not worth a chain of its own
    refused: (tenant, sender, verdict) => {
      const known = base.tenants.peek(tenant) !== undefined
      return base.audit.count({ type: "commit.refused", ...(known ? { tenant } : {}), by: known ? sender : "nobody", data: { reason: verdict } })
    },
    telemetry: base.telemetry,
    facts: (tenant, sender, now) => factsOf(base, tenant, sender, now),
    refresh: base.tenants.refresh,
    ensureConsumer: (tenant, peer, from) => Effect.ignore(peers.ensureConsumer(logOf(tenant), tenant, peer, from)),
    countThrough: (tenant, seq) => Effect.orElseSucceed(peers.countThrough(logOf(tenant), tenant, seq), () => undefined),
    answered: (sender, answer) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        count("maestra_ingest_commits_total", { verdict: answer.verdict })
        watch.answered(sender, answer.verdict, answer.verdict === "invalid" ? answer.event_id : "", now)
      }),
    reported: (tenant, sender, request, head, now) =>
      Effect.gen(function*() {
        watch.reported(sender, request, head, millisOf(now))
        // a place in another epoch is none
        const isPresent = request.log_epoch === logIdentity(tenant).epoch
        const log_seq = isPresent ? request.mirror_seq : 0
        const mirrorAgain = isPresent && (yield* isWorse(tenant, sender, request, millisOf(now)))
        const report = { peer_id: sender, log_seq, seen_at: now }
        yield* ask(reportPositions(tenant, [report]))
        yield* tellReport(base, tenant, report)
        return { mirrorAgain, tenantLastSeq: view.of(tenant).lastSeq, positions: yield* positions(tenant) }
      })
  }
}

const auditEvent = ({ audit, hosted }: Parts, tenant: string, { envelope: { source }, fact }: Opened) => {
  const audited = auditedFact(fact)
  return audited === undefined ? Effect.void : audit.count({ ...audited, tenant, ...(source === hosted.backendId ? {} : { by: peerIdOf(tenant, source) }) })
}

/** The hosted backend's own pen. */
export const ownOf = Effect.fnUntraced(function*({ hosted, identity, keyring, partitions, projections, view }: Parts, ingest: IngestContext) {
  const own = yield* makeOwnCommits({
    ...ingest,
    identity,
    get keys() { return hosted.keys },
    dataKey: keyring.current,
    greatestLamport: (tenant) => view.of(tenant).lamport,
    seen: (tenant) => ({ log_seq: view.of(tenant).readSeq, head: view.of(tenant).head })
  })
  return {
    ...own,
    // in the tables too before it is acknowledged: they are the copy from which a log that lost it is mended
    write: (tenant, drafts) => Effect.tap(own.write(tenant, drafts), (written) =>
      projections.settled(partitions.of(tenant).cursor, written.at(-1)?.position ?? 0).pipe(Effect.timeoutOption(settleMax)))
  } satisfies OwnCommits
})

const factsOf = ({ budget, keyring, settings, tenants, view }: Parts, tenant: string, sender: string, now: string): IngestFacts | undefined => {
  const record = tenants.peek(tenant)
  if (record === undefined) return undefined
  const standing = (device: Device | undefined, peer: string): Standing => {
    const gone = record.gone.find(({ peer_id }) => peer_id === peer)
    // one whose tenant was erased is told to register, and registration tells it
    const erased = gone?.what === "erased" ? { backendId: gone.backend_id, keys: [], expiresAt: "" } : undefined
    return {
      device: device === undefined ? erased : { backendId: device.backend_id, keys: device.keys, expiresAt: device.expires_at },
      revoked: gone?.what === "revoked"
    }
  }
  const device = record.devices.find(({ peer_id }) => peer_id === sender)
  const inForce = settings.get(tenant) ?? { settings: defaults, seq: 0 }
  return {
    tenant, sender, now,
    draw: (kind, amount) => budget.draw(`${tenant}.${sender}`, kind, amount),
    ...standing(device, sender),
    companion: (author) => {
      if (device?.identity.backend_type !== "local") return undefined
      const is = (peer: { readonly peer_id: string; readonly companion_of?: string }) => peer.peer_id === author && peer.companion_of === device.backend_id
      return [...record.devices, ...record.gone].some(is) ? standing(record.devices.find(is), author) : undefined
    },
    settings: inForce.settings,
    settingsSeq: inForce.seq,
    greatestLamport: view.of(tenant).lamport,
    unseal: (envelope) => openData(envelope, keyring.within(tenant)).pipe(
      Result.mapError((failure) => failure._tag === "KeyMissing" ? `the data is sealed under ${failure.kid}, which is not this tenant's key` : failure.why))
  }
}
