import { Duration, Effect, Result } from "effect"
import { reportPositions } from "../../projections/syncState/queries.ts"
import { defaults } from "../../streams/events/settings.ts"
import { isOwnReply } from "../nats/hubSecrets.ts"
import { openData } from "../security/envelopes.ts"
import type { Facts } from "./admit.ts"
import { logCursor, nextBump, type Parts } from "./Base.ts"
import { type Committer, makeCommitter } from "./Committer.ts"
import { type Heads, makeHeads } from "./Heads.ts"
import type { IngestContext } from "./ingest.ts"
import { joinedMark } from "./LogMark.ts"
import { project } from "./LogView.ts"
import { makeOwnCommits } from "./OwnCommits.ts"
import { defaultLimits, makeRateBudget } from "./RateBudget.ts"
import { remembered } from "./tablesOf.ts"

const retryEvery = Duration.seconds(1)
const markEvery = Duration.seconds(1)
const identityEvery = Duration.seconds(2)

/** Keep the tables in step with the log, for ever; from their cursor again after they were emptied. */
export const keepProjecting = (base: Parts): Effect.Effect<never> =>
  Effect.raceFirst(
    project({
      ...base,
      cursor: logCursor,
      epoch: () => base.mark.now.log_epoch,
      remembered: base.ask(remembered),
      open: (tenant, envelope) => {
        const held = base.opened.take(envelope)
        return held === undefined ? base.keyring.open(tenant, envelope) : Result.succeed(held)
      },
      settingsChanged: base.refreshSettings
    }).pipe(Effect.catchTag("LogUnavailable", () => Effect.sleep(retryEvery))),
    nextBump(base.reread)
  ).pipe(Effect.forever)

/** Remember outside the stream store how far the log has gone; a process that joined follows its owner's word. */
export const keepMark = (base: Parts) => {
  const { log, mark, marks, projections } = base
  if (marks === undefined) {
    return Effect.sleep(identityEvery).pipe(Effect.andThen(joinedMark(log)), Effect.map((now) => { mark.now = now }), Effect.ignore, Effect.forever)
  }
  return Effect.gen(function*() {
    yield* Effect.sleep(markEvery)
    const at = (yield* projections.positions).get(logCursor)?.seq ?? 0
    if (at <= mark.now.high_water) return
    mark.now = { ...mark.now, high_water: at }
    // late is harmless; a full disk is not a reason to stop
    yield* marks.save(mark.now).pipe(Effect.catch(({ hint }) => Effect.logWarning("how far the log has gone cannot be noted", { hint })))
  }).pipe(Effect.forever)
}

/** Heads, and the committer that extends them. */
export const openChains = Effect.fnUntraced(function*({ hosted, log, tenants }: Parts) {
  const heads = makeHeads(log)
  const fence = (chain: string) => {
    const [tenant = "", author = ""] = chain.split(".")
    const keys = author === "hosted" ? hosted.keys : tenants.peek(tenant)?.devices.find(({ peer_id }) => peer_id === author)?.keys ?? []
    return heads.read(tenant, author, keys).pipe(Effect.map(({ fence }) => fence), Effect.orElseSucceed(() => undefined))
  }
  return { heads, committer: yield* makeCommitter(log, fence) }
})

export const ingestOf = (base: Parts, chains: { readonly heads: Heads; readonly committer: Committer }): IngestContext => {
  const { ask, connection, log, logIdentity, mark, opened, peers, positions, view } = base
  const budget = makeRateBudget({ ...defaultLimits, ...base.options.limits })
  return {
    ...chains,
    connection, log,
    identity: logIdentity,
    mayAnswer: isOwnReply,
    offered: ({ events }) => {
      for (const event of events) if (event.opened !== undefined) opened.put(event.opened)
    },
    committed: (tenant, admitted, lastSeq) => view.committed(tenant, lastSeq, admitted.greatestLamport),
    facts: (tenant, sender, now, millis) => factsOf(base, tenant, sender, now, (bytes, backlog) => budget(`${tenant}.${sender}`, bytes, backlog, millis)),
    ensureConsumer: (tenant, peer) => Effect.ignore(peers.ensureConsumer(tenant, peer)),
    countThrough: (tenant, seq) => Effect.orElseSucceed(peers.countThrough(tenant, seq), () => undefined),
    reported: (tenant, sender, request, now) =>
      Effect.gen(function*() {
        // a place in another epoch is none
        const log_seq = request.log_epoch === mark.now.log_epoch ? request.mirror_seq : 0
        yield* ask(reportPositions(tenant, [{ peer_id: sender, log_seq, seen_at: now }]))
        return { tenantLastSeq: view.of(tenant).lastSeq, positions: yield* positions(tenant) }
      })
  }
}

/** The hosted backend's own pen. */
export const ownOf = ({ hosted, identity, keyring, view }: Parts, ingest: IngestContext) =>
  makeOwnCommits({
    ...ingest,
    identity,
    keys: hosted.keys,
    dataKey: keyring.current,
    greatestLamport: (tenant) => view.of(tenant).lamport,
    seen: (tenant) => ({ log_seq: view.of(tenant).readSeq, head: view.of(tenant).head })
  })

const factsOf = ({ keyring, settings, tenants, view }: Parts, tenant: string, sender: string, now: string, draw: Facts["draw"]): Facts | undefined => {
  const record = tenants.peek(tenant)
  if (record === undefined) return undefined
  const device = record.devices.find(({ peer_id }) => peer_id === sender)
  const inForce = settings.get(tenant) ?? { settings: defaults, seq: 0 }
  return {
    tenant, sender, now, draw,
    device: device === undefined ? undefined : { backendId: device.backend_id, keys: device.keys, expiresAt: device.expires_at },
    revoked: record.gone.some(({ peer_id }) => peer_id === sender),
    settings: inForce.settings,
    settingsSeq: inForce.seq,
    greatestLamport: view.of(tenant).lamport,
    unseal: (envelope) => openData(envelope, keyring.within(tenant)).pipe(
      Result.mapError((failure) => failure._tag === "KeyMissing" ? `the data is sealed under ${failure.kid}, which is not this tenant's key` : failure.why))
  }
}
