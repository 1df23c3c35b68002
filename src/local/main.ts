import { Context, Duration, Effect, Exit, Layer, Option, Schema, Stream, SubscriptionRef } from "effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { v7 as uuidV7 } from "uuid"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { EventTail, LocalControl, Maintenance, Registrar, selfTenant, Writer } from "../../streams/Backend.ts"
import { mirrorName, relayConsumer, streams } from "../../streams/definitions.ts"
import { findServer } from "../nats/binary.ts"
import { connect, type Wired } from "../nats/connect.ts"
import { openCursor } from "../nats/cursor.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { openLeafConfig } from "../nats/leafConfig.ts"
import { watchLeaf } from "../nats/leafLink.ts"
import { deleteMirror, ensureMirror, mirrorInfo, recreateMirror } from "../nats/mirror.ts"
import { ensureStream } from "../nats/provision.ts"
import { startServer } from "../nats/ServerProcess.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import { AuthorKeys } from "../security/AuthorKeys.ts"
import { loadIdentity } from "../security/BackendIdentity.ts"
import { keystoreLayer } from "../security/chooseKeystore.ts"
import { keyId } from "../security/keys.ts"
import { Keystore } from "../security/Keystore.ts"
import { machineId } from "../security/machineId.ts"
import { localBackendId } from "../security/peerId.ts"
import { replaceFile } from "../security/replaceFile.ts"
import type { DataKey } from "../security/sealing.ts"
import { type ControlContext, makeControl, reach, turn } from "./control.ts"
import { type LamportClock, makeJournal } from "./Journal.ts"
import { catchUpWithJournal, journalCursor, projectJournal } from "./journalLoop.ts"
import { openJournals } from "./journals.ts"
import { maintainLocal } from "./maintenance.ts"
import { epochOf, logCursor, runMirror } from "./mirrorLoop.ts"
import { makePairingStore } from "./Pairing.ts"
import { keepRegistered, renew } from "./registration.ts"
import { rejournal } from "./rejournal.ts"
import { localRegistrar } from "./registrar.ts"
import { keepReporting, type LinkedContext, lookAround, runRelay } from "./relayLoop.ts"
import { awaitRef, bump, makeState } from "./State.ts"
import { projectionsLayer, tablesOf } from "./tablesOf.ts"
import { tailLocal } from "./tail.ts"
import { watch } from "./watchdog.ts"

/** Everything a local backend can be told at its start. Nothing else reads the environment, but for the keystore's passphrase. */
export interface LocalOptions {
  /** This backend's own folder. */
  readonly dataDir: string
  /** Where its gateway answers. */
  readonly httpUrl: string
  /** Client port of its nats-server on loopback; 0: any free one. */
  readonly natsPort: number
  /** How long a session with hosted lives before it is renewed; 8 hours at most. */
  readonly sessionTtl: Duration.Duration
  readonly onProgress: (line: string) => Effect.Effect<void>
  /** A part ended that never ends: the process must stop. What was acknowledged is safe; the log says why. */
  readonly onBroken: (part: string) => Effect.Effect<void>
}

/** The local backend cannot start. Nothing was changed; the hint says what to do. */
export class LocalStartError extends Schema.TaggedError<LocalStartError>()("LocalStartError", { why: Schema.String, hint: Schema.String }) {}

export const version = "0.1.0"

/** Status asks for *offline* only after this: a renewed token costs the leaf about one second. */
const offlineAfter = Duration.seconds(3)
const withheldCursor = "withheld"

type Provided = Writer | Registrar | EventTail | LocalControl | Maintenance | Sqlite | Projections

/** A local backend, running as long as the layer lives. A part that fails stops all, loudly. */
export const localBackend = (options: LocalOptions): Layer.Layer<Provided, LocalStartError> =>
  Layer.effectContext(start(options)).pipe(
    Layer.provideMerge(projectionsLayer(join(options.dataDir, "local.sqlite"))),
    Layer.provide(keystoreLayer({ file: join(options.dataDir, "keystore.json") })),
    Layer.catch((error) => Layer.effectContext(Effect.fail(startError(error)))))

const startError = (error: { readonly _tag: string; readonly hint?: string; readonly message: string }): LocalStartError =>
  error._tag === "LocalStartError" && error instanceof LocalStartError ? error : new LocalStartError({ why: error._tag, hint: error.hint ?? error.message })

const start = Effect.fn("localBackend")(function*(options: LocalOptions) {
  if (!(yield* holdDirectory(options.dataDir))) {
    return yield* new LocalStartError({ why: "already running", hint: `Another local backend runs on ${options.dataDir}. Stop that one first; one data directory, one process.` })
  }
  const keystore = yield* Keystore
  const projections = yield* Projections
  const instanceId = yield* keptText(join(options.dataDir, "instance-id"), () => uuidV7().replaceAll("-", ""))
  const backendId = localBackendId(yield* machineId(join(options.dataDir, "machine-id")), instanceId)
  const self = yield* loadIdentity({ backendId, backendType: "local", capabilities: ["commit.v1", "leaf"], file: join(options.dataDir, "identity.json") })
  const store = makePairingStore({ dataDir: options.dataDir, backendId, keystore })
  const known = yield* store.load

  const binary = yield* findServer({ say: options.onProgress })
  const runDir = join(options.dataDir, "nats")
  const leaf = yield* openLeafConfig({ directory: runDir, instanceId, port: options.natsPort })
  const server = yield* startServer({ binary: binary.path, configFile: leaf.configFile, runDir })
  const dial = (inboxPrefix: string, name: string) => connect({ server: `127.0.0.1:${server.clientPort}`, auth: leaf.agent, name, inboxPrefix })
  const agent = yield* dial("_INBOX.agent", "agent")
  yield* ensureStream(agent, streams.journal, { replicas: 1 })
  yield* ensureStream(agent, streams.telemetryOut, { replicas: 1 })
  const journalLog = jetStreamLog(agent, streams.journal.name)
  const cursor = yield* openCursor(agent, { stream: relayConsumer.stream, name: relayConsumer.name })

  const tables = yield* tablesOf
  const { paused } = yield* leaf.status
  const link = yield* watchLeaf({ clientPort: server.clientPort, system: leaf.system })
  const state = yield* makeState(link, known, paused, yield* cursor.position)
  const clock: LamportClock = { seen: yield* tables.greatestLamport }
  const readerContext = { state, journal: journalLog, projections, clock }
  yield* catchUpWithJournal(readerContext, (done, of) => of - done > 20_000 ? options.onProgress(`reading the journal: ${done} of ${of}`) : Effect.void)
  const journal = yield* makeJournal(journalLog, { clock, source: backendId, lastSeq: (yield* journalLog.info).lastSeq, stamped: () => {} })
  const journals = yield* openJournals(journalLog, options.dataDir)

  const pairedNow = () => Option.getOrThrow(SubscriptionRef.getUnsafe(state.paired))
  const dataKeys = (kid: string): DataKey | undefined =>
    Option.getOrUndefined(SubscriptionRef.getUnsafe(state.paired))?.secrets.dataKeys.find((key) => key.kid === kid)
  const seen = { log_seq: 0, head: "" }
  const positions = yield* projections.positions
  seen.log_seq = positions.get(logCursor)?.seq ?? 0
  seen.head = (yield* tables.heads).reduce<{ seq: number; digest: string }>((last, [, , head]) => head.seq > last.seq ? head : last, { seq: 0, digest: "" }).digest

  const registration = { state, store, leaf, server, self, sessionLife: options.sessionTtl }
  const control: ControlContext = {
    ...registration,
    tables,
    journal,
    journalLog,
    logRead: () => seen.log_seq,
    askNow: Effect.suspend(() => askNow),
    rejournal: Effect.flatMap(tables.withheld, (ids) => rejournal(journal, journalLog, ids)),
    peerKey: (peer) => Effect.map(tables.keys, (keys) => keys.find(([, author]) => author === peer)?.[2].keys.at(-1)?.keyId),
    versions: { maestra: version, nats_server: binary.version },
    offlineAfter
  }
  let askNow: Effect.Effect<void> = Effect.void

  const linked = Effect.fnUntraced(function*() {
    const { peer_id } = pairedNow().with
    const peer: Wired = yield* dial(`_INBOX.${peer_id}`, "relay")
    const mirrorOptions = { peer: peer_id, log: pairedNow().with.log }
    let lost = 0
    /** As last kept: places, and the days peers were seen on. */
    let heardPlaces = ""
    const context: LinkedContext = {
      state, connection: peer, journalLog, cursor, journal, self, journals,
      paired: () => pairedNow().with,
      secrets: () => pairedNow().secrets,
      settings: tables.settings,
      known: (ids) => Effect.map(tables.notToSend(ids), (held) => (id: string) => held.get(id)),
      // its own count, not the journal's: a range may be gated several times, and again after a journal was reopened
      withhold: (eventIds, why) =>
        Effect.flatMap(projections.positions, (at) =>
          projections.absorb({ cursor: withheldCursor, epoch: "", entries: [{ kind: "withheld", seq: (at.get(withheldCursor)?.seq ?? 0) + 1, tenant: selfTenant, eventIds, why }] })).pipe(Effect.orDie, Effect.asVoid),
      seen: () => ({ ...seen }),
      heardPositions: Effect.fnUntraced(function*(positions) {
        // emptied tables have forgotten them
        const places = JSON.stringify([SubscriptionRef.getUnsafe(state.reread), ...positions.map(({ log_seq, peer_id, seen_at }) => [peer_id, log_seq, seen_at.slice(0, "2026-11-22".length)])])
        if (places === heardPlaces) return
        heardPlaces = places
        yield* tables.keepPositions(positions)
      }),
      mirrorReached: (seq) => projections.reached(logCursor, seq),
      // restored from a copy: the hub would go on behind what it lacks. Once for each loss, however often it is told
      mirrorOnceHeld: Effect.fnUntraced(function*(seq) {
        const mirror = seq <= lost ? Option.none() : yield* mirrorInfo(agent)
        if (Option.isNone(mirror) || mirror.value.lastSeq >= seq) return
        lost = seq
        yield* bump(state.mirrorWanted)
      }),
      tablesInEpoch: projections.changes.pipe(
        Stream.map((at) => at.get(logCursor)),
        Stream.filter((held) => held === undefined || held.epoch === epochOf(pairedNow().with)),
        Stream.runHead,
        Effect.asVoid),
      logChanged: (id, epoch) => logChanged(id, epoch),
      renew: Effect.asVoid(renew(registration)),
      leave: Effect.orDie(turn(registration, true))
    }
    askNow = Effect.ignore(lookAround(context))
    const movement = Effect.sync(() => {
      const relayed = SubscriptionRef.getUnsafe(state.relayed).to
      const heard = SubscriptionRef.getUnsafe(state.heard)
      return {
        pending: Math.max(0, journal.acknowledged() - relayed),
        behind: Math.max(0, (heard?.tenantLastSeq ?? 0) - seen.log_seq),
        mark: `${relayed}/${seen.log_seq}`
      }
    })
    yield* Effect.all([
      runRelay(context),
      runMirror({
        state, source: backendId, projections, dataKeys, clock,
        paired: () => pairedNow().with,
        log: jetStreamLog(agent, mirrorName),
        ensure: ensureMirror(agent, mirrorOptions),
        recreate: recreateMirror({ local: agent, peer }, mirrorOptions),
        info: mirrorInfo(agent),
        remembered: Effect.all({ heads: tables.heads, keys: tables.keys }).pipe(Effect.map(({ heads, keys }) => ({
          heads: heads.map(([, author, head]) => [pairedNow().with.tenant, author, head] as const),
          keys: keys.map(([, author, entry]) => [pairedNow().with.tenant, author, entry] as const)
        }))),
        own: tables.ownForms,
        head: (seq, digest) => {
          if (seq >= seen.log_seq) Object.assign(seen, { log_seq: seq, head: digest })
        },
        restarted: () => Object.assign(seen, { log_seq: 0, head: "" })
      }),
      keepRegistered(registration),
      keepReporting(context),
      watch(state, movement)
    ], { concurrency: "unbounded", discard: true })
  }, Effect.scoped)

  const logChanged = Effect.fnUntraced(function*(id: string, epoch: number) {
    const held = pairedNow()
    if (id === held.with.log_id && epoch === held.with.log_epoch) return
    if (id !== held.with.log_id) {
      yield* SubscriptionRef.set(state.needs, "the hosted side has another log than the one this machine belongs to. If it was replaced on purpose: `maestra local unpair`, then pair again")
      return
    }
    const next = { ...held, with: { ...held.with, log_epoch: epoch } }
    yield* store.save(next).pipe(Effect.orDie)
    yield* SubscriptionRef.set(state.paired, Option.some(next))
    yield* SubscriptionRef.set(state.heard, undefined)
    yield* bump(state.mirrorWanted)
    yield* bump(state.relayWanted)
    yield* Effect.logWarning("the hosted log was restored; comparing what was sent, and reading it again", { epoch: epochOf(next.with) })
  })

  /** The parts that need a hosted side run while this machine is paired, and start again when it is paired anew. */
  const followPairing = Effect.gen(function*() {
    for (;;) {
      const held = Option.getOrThrow(yield* awaitRef(state.paired, Option.isSome))
      const same = (now: typeof known) => Option.isSome(now) && now.value.with.peer_id === held.with.peer_id
      yield* Effect.raceFirst(linked().pipe(Effect.orDie), Effect.asVoid(awaitRef(state.paired, (now) => !same(now))))
      askNow = Effect.void
      if (Option.isNone(SubscriptionRef.getUnsafe(state.paired))) yield* deleteMirror(agent).pipe(Effect.ignore)
    }
  })

  yield* supervise(options, "journal", journal.run)
  yield* supervise(options, "journal projection", projectJournal(readerContext).pipe(Effect.orDie))
  yield* supervise(options, "pairing", followPairing)

  const keysNow = Effect.map(tables.keys, (keys) =>
    Option.match(SubscriptionRef.getUnsafe(state.paired), {
      onNone: () => new AuthorKeys({ backendId: "", keys: [] }),
      onSome: ({ with: paired }) => new AuthorKeys(
        { backendId: paired.hosted.backend_id, keys: [{ keyId: keyId(paired.hosted.public_key), publicKey: paired.hosted.public_key }] },
        keys.map(([, author, entry]) => [paired.tenant, author, entry] as const))
    }))
  const tail = {
    journal: journalLog,
    mirror: () => Option.isSome(SubscriptionRef.getUnsafe(state.paired)) ? jetStreamLog(agent, mirrorName) : undefined,
    source: backendId,
    dataKeys,
    keys: keysNow,
    ends: Effect.map(projections.positions, (at) => ({ journal: at.get(journalCursor)?.seq ?? 0, log: at.get(logCursor)?.seq ?? 0 }))
  }
  return Context.make(Writer, Writer.of({
    write: (_, drafts) => journal.write(drafts),
    settled: () => projections.reached(journalCursor, journal.acknowledged()),
    reach: (_, written, tier, timeoutMillis) => reach(control, written, tier, timeoutMillis)
  })).pipe(
    Context.add(Registrar, localRegistrar({ self, state, httpUrl: options.httpUrl })),
    Context.add(EventTail, EventTail.of({ tail: (request) => tailLocal(tail, request) })),
    Context.add(LocalControl, makeControl(control)),
    Context.add(Maintenance, Maintenance.of(maintainLocal({ state, journal: journalLog, mirror: tail.mirror, source: backendId, dataKeys, projections, tables })))
  )
})

/** A part that ends, ends the process: nothing goes on half. */
const supervise = (options: LocalOptions, name: string, part: Effect.Effect<unknown, unknown>) =>
  part.pipe(
    Effect.onExit((exit) => Exit.hasInterrupts(exit) ? Effect.void : Effect.andThen(Effect.logFatal(`${name} stopped`, exit), options.onBroken(name))),
    Effect.forkScoped)

const keptText = (file: string, make: () => string) =>
  Effect.tryPromise({
    try: async () => {
      const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => { if (cause.code === "ENOENT") return undefined; throw cause })
      if (text !== undefined) return text.trim()
      const made = make()
      await replaceFile(file, `${made}\n`)
      return made
    },
    catch: () => new LocalStartError({ why: "data directory", hint: `${file} cannot be read or written. Check the folder's permissions and free space.` })
  })
