import { Clock, Duration, Effect, Option, Schedule, Stream, SubscriptionRef } from "effect"
import { selfTenant } from "../../streams/Backend.ts"
import { TelemetrySink, withTelemetry } from "../../streams/telemetry.ts"
import type { Connection } from "../nats/Connection.ts"
import type { LogUnavailable } from "../nats/EventLog.ts"
import { deleteMirror, jetStreamMirror, type Mirror } from "../nats/mirror.ts"
import type { StreamRefused } from "../nats/provision.ts"
import type { ServerProcess } from "../nats/ServerProcess.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import type { Base } from "./Base.ts"
import { askHead } from "./askHead.ts"
import type { CompanionStore } from "./companions.ts"
import { type CompareContext, compareEpochs } from "./compareEpochs.ts"
import { turn } from "./control.ts"
import { journalCursor } from "./journalLoop.ts"
import { epochOf, logCursor, type MirrorContext, runMirror } from "./mirrorLoop.ts"
import type { LinkedContext } from "./LinkedContext.ts"
import type { PairingStore } from "./Pairing.ts"
import { watchMoved } from "./moved.ts"
import { answersAt } from "./register.ts"
import { keepRegistered, renew } from "./registration.ts"
import { keepReporting, lookAround, runForwarding, runRelay } from "./relayLoop.ts"
import { awaitRef, bump, unlessPaused } from "./State.ts"
import { runTelemetryRelay } from "./telemetryRelay.ts"
import { watchCut } from "./shutOut.ts"
import { watchTwin } from "./twins.ts"
import { type Movement, watch } from "./watchdog.ts"

/** The own nats-server was killed, or is slow: its supervisor starts it again. What nats-server refuses stays refused. */
const againLater = { schedule: Schedule.spaced("1 second"), while: ({ _tag }: { readonly _tag: string }) => _tag === "ConnectFailed" || _tag === "LogUnavailable" }

const withheldCursor = "withheld"

const pairedNow = (base: Pick<Base, "state">) => Option.getOrThrow(SubscriptionRef.getUnsafe(base.state.paired))

/**
 * The parts that need a hosted side run while this machine is paired, and start again when it is paired anew.
 * `asking` is told how to ask the hosted side where it is, for as long as there is one.
 */
export const followPairing = Effect.fn("local.followPairing")(function*(base: Base, asking: (ask: Effect.Effect<void>) => void): Effect.fn.Return<never> {
  const { paired } = base.state
  for (;;) {
    const held = Option.getOrThrow(yield* awaitRef(paired, Option.isSome))
    const anew = awaitRef(paired, (now) => Option.isNone(now) || now.value.with.peer_id !== held.with.peer_id)
    yield* Effect.raceFirst(linked(base, asking).pipe(Effect.tapError((error) => Effect.logWarning("the own nats-server does not answer; once more", error)), Effect.retry(againLater), Effect.orDie), Effect.asVoid(anew))
    asking(Effect.void)
    if (Option.isNone(SubscriptionRef.getUnsafe(paired))) yield* deleteMirror(base.agent).pipe(Effect.ignore)
  }
})

const linked = Effect.fnUntraced(function*(base: Base, asking: (ask: Effect.Effect<void>) => void) {
  const { log, peer_id } = pairedNow(base).with
  const peer = yield* base.dial(`_INBOX.${peer_id}`, "relay")
  yield* runLinked({
    ...base,
    connection: peer,
    mirror: jetStreamMirror({ local: base.agent, peer }, { peer: peer_id, log }),
    renew: unlessPaused(base.state, renew(base), false),
    keepRegistered: Effect.raceFirst(keepRegistered(base), watchMoved({ state: base.state, answers: Effect.suspend(() => answersAt(pairedNow(base).with.hosted_url)) })),
    quarantined: (what, seq) => base.audit.service.count({ type: "commit.quarantined", data: { reason: what, seq } }),
    leave: turn(base, true).pipe(Effect.orDie)
  }, asking)
}, Effect.scoped)

/** What the parts of a paired backend stand on: ports, each implemented on real servers and in memory. */
export interface LinkedBase extends
  Pick<Base, "clock" | "cursor" | "dataKeys" | "journal" | "journalLog" | "journals" | "projections" | "seen" | "sink" | "source" | "state" | "syncTelemetry" | "tables" | "telemetryCursor">
{
  readonly self: Signer
  /** The peer's own: its requests go over the link. */
  readonly connection: Connection
  readonly mirror: Mirror
  readonly companions: CompanionStore
  /** Told of what in the log does not hold. */
  readonly quarantined: MirrorContext["quarantined"]
  readonly server: Pick<ServerProcess, "lastLines" | "state">
  readonly store: Pick<PairingStore, "save">
  readonly renew: Effect.Effect<boolean>
  readonly keepRegistered: Effect.Effect<never>
  /** Take this machine off the link, as a person's pause does. */
  readonly leave: Effect.Effect<void>
}

/** Send, receive, report and watch, for ever. */
export const runLinked = Effect.fnUntraced(function*(base: LinkedBase, asking: (ask: Effect.Effect<void>) => void): Effect.fn.Return<void, StreamRefused | LogUnavailable> {
  const relay = relayOf(base)
  // unpaired in the middle of it: then there is nobody to ask any more
  asking(Effect.ignoreCause(lookAround(relay)))
  yield* Effect.all([
    runRelay(relay),
    runTelemetryRelay({ ...relay, cursor: base.telemetryCursor, source: base.source, dataKeys: () => relay.secrets().dataKeys }),
    runForwarding(relay),
    runMirror(mirrorOf(base, relay)),
    base.keepRegistered,
    keepReporting(relay),
    watch(base.state, movementOf(base)),
    watchTwin(relay),
    watchCut(base),
    compareEpochs(comparisonOf(base, relay))
  ], { concurrency: "unbounded", discard: true })
})

const neverRan = -1
/** How often our nats-server had been started again: a server that died may have lost the end of the mirror. */
const runOf = ({ server }: LinkedBase): number => {
  const state = SubscriptionRef.getUnsafe(server.state)
  return state._tag === "running" ? state.restarts : neverRan
}

const relayOf = (base: LinkedBase): LinkedContext => {
  const { companions, connection, cursor, journal, journalLog, journals, mirror, projections, seen, self, state, tables } = base
  /** The run of our nats-server whose mirror is being compared with the log, and the last one for which that was done. */
  let asked = neverRan
  let checked = neverRan
  /** As last kept: places, and the days peers were seen on. */
  let heardPlaces = ""
  return {
    state, server: base.server, connection, journalLog, cursor, journal, companions, self, journals,
    paired: () => pairedNow(base).with,
    secrets: () => pairedNow(base).secrets,
    synced: base.syncTelemetry,
    // the tables may be a moment behind; what was just forbidden must not leave in that moment
    settings: Effect.suspend(() => projections.reached(journalCursor, journal.settingsAt())).pipe(Effect.andThen(tables.settings)),
    known: (ids) => Effect.map(tables.notToSend(ids), (held) => (id: string) => held.get(id)),
    // its own count, not the journal's: a range may be gated several times, and again after a journal was reopened
    withhold: (eventIds, why) =>
      Effect.flatMap(projections.positions, (at) =>
        projections.keepAbsorbing({ cursor: withheldCursor, epoch: "", entries: [{ kind: "withheld", seq: (at.get(withheldCursor)?.seq ?? 0) + 1, tenant: selfTenant, eventIds, why }] })).pipe(Effect.orDie, Effect.asVoid),
    seen: () => ({ ...seen }),
    heardPositions: Effect.fnUntraced(function*(positions) {
      state.olderEpochSince = undefined
      // emptied tables have forgotten them
      const places = JSON.stringify([SubscriptionRef.getUnsafe(state.reread), ...positions.map(({ log_seq, peer_id, seen_at }) => [peer_id, log_seq, seen_at.slice(0, "2026-11-22".length)])])
      if (places === heardPlaces) return
      heardPlaces = places
      yield* tables.keepPositions(positions)
    }),
    damaged: tables.quarantined,
    mirrorReached: (seq) => projections.reached(logCursor, seq),
    mirrorUnchecked: Effect.suspend(() => {
      asked = runOf(base)
      return checked === asked ? Effect.succeedNone : mirror.info
    }).pipe(
      Effect.map(Option.match({ onNone: () => undefined, onSome: ({ lastSeq, messages }) => ({ last_seq: lastSeq, messages }) }))),
    // not whole: restored from a copy, or its nats-server died before the end was on the disk. JetStream goes on at the
    // hub's ack floor and leaves what lies between as a hole
    mirrorChecked: (whole, caughtUp) =>
      Effect.suspend(() => {
        if (checked === asked || (whole && !caughtUp)) return Effect.void
        checked = asked
        return whole ? Effect.void : bump(state.mirrorWanted)
      }),
    mirrorDoubted: () => { checked = neverRan },
    tablesInEpoch: projections.changes.pipe(
      Stream.map((at) => at.get(logCursor)),
      Stream.filter((held) => held === undefined || held.epoch === epochOf(pairedNow(base).with)),
      Stream.runHead,
      Effect.asVoid),
    logChanged: (id, epoch) => logChanged(base, id, epoch),
    renew: base.renew.pipe(withTelemetry("registration_renewal"), Effect.provideService(TelemetrySink, base.sink)),
    leave: base.leave
  }
}

const mirrorOf = (base: LinkedBase, relay: LinkedContext): MirrorContext => {
  const { clock, dataKeys, journal, mirror, projections, seen, source, state, tables } = base
  const { tenant } = pairedNow(base).with
  return {
    ...mirror,
    state, source, projections, dataKeys, clock,
    quarantined: base.quarantined,
    paired: () => pairedNow(base).with,
    remembered: Effect.all({ heads: tables.heads, keys: tables.keys }).pipe(Effect.map(({ heads, keys }) => ({
      heads: heads.map(([, author, head]) => [tenant, author, head] as const),
      keys: keys.map(([, author, entry]) => [tenant, author, entry] as const)
    }))),
    own: tables.ownForms,
    held: tables.held,
    expired: tables.expired,
    keepsOwn: Effect.map(tables.settings, ({ keep_own_copies }) => keep_own_copies),
    logEnd: endOf(relay),
    journalRead: Effect.suspend(() => projections.reached(journalCursor, journal.acknowledged())),
    head: (seq, digest) => {
      if (seq >= seen.log_seq) Object.assign(seen, { log_seq: seq, head: digest })
    },
    restarted: () => Object.assign(seen, { log_seq: 0, head: "" })
  }
}

const comparisonOf = ({ journalLog, projections, state, tables }: LinkedBase, relay: LinkedContext): CompareContext => ({
  state, tables,
  journal: journalLog,
  logEnd: endOf(relay),
  logRead: (seq) => projections.reached(logCursor, seq)
})

/** Where the log ends over there, in the epoch this machine knows. */
const endOf = (relay: LinkedContext) =>
  Effect.option(askHead(relay)).pipe(Effect.map(Option.match({
    onNone: () => undefined,
    onSome: (answer) => answer?.verdict === "head" && answer.log_epoch === relay.paired().log_epoch ? answer.tenant_last_seq : undefined
  })))

const movementOf = ({ journal, seen, state }: LinkedBase): Effect.Effect<Movement> =>
  Effect.sync(() => {
    const relayed = SubscriptionRef.getUnsafe(state.relayed).to
    const heard = SubscriptionRef.getUnsafe(state.heard)
    return {
      pending: Math.max(0, journal.acknowledged() - relayed),
      behind: Math.max(0, (heard?.tenantLastSeq ?? 0) - seen.log_seq),
      mark: `${relayed}/${seen.log_seq}`
    }
  })

const saveRetries = Schedule.spaced("5 seconds")

/** A hosted process that has not heard of a new epoch yet hears of it within seconds; one that says so for longer means it. */
const staleMax = Duration.seconds(15)
const staleWait = Duration.millis(500)

/** The log over there is another one, or in another epoch: it was lost, restored or replaced. */
const logChanged = Effect.fnUntraced(function*(base: LinkedBase, id: string, epoch: number) {
  const { state, store } = base
  const held = pairedNow(base)
  if (id === held.with.log_id && epoch === held.with.log_epoch) return
  if (id !== held.with.log_id) {
    yield* SubscriptionRef.set(state.needs, "the hosted side has another log than the one this machine belongs to. If it was replaced on purpose: `maestra local unpair`, then pair again")
    return
  }
  if (epoch < held.with.log_epoch) {
    const now = yield* Clock.currentTimeMillis
    state.olderEpochSince ??= now
    if (now - state.olderEpochSince < Duration.toMillis(staleMax)) return yield* Effect.sleep(staleWait)
  }
  const next = { ...held, with: { ...held.with, log_epoch: epoch } }
  // on a full disk: the new epoch waits for room, and with it all that depends on it
  yield* store.save(next).pipe(Effect.tapError(({ hint }) => Effect.logError(hint)), Effect.retry(saveRetries), Effect.orDie)
  yield* SubscriptionRef.set(state.paired, Option.some(next))
  yield* SubscriptionRef.set(state.heard, undefined)
  yield* bump(state.mirrorWanted)
  yield* bump(state.relayWanted)
  yield* Effect.logWarning("the hosted log was restored; comparing what was sent, and reading it again", { epoch: epochOf(next.with) })
})
