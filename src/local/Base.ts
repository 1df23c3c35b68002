import { type Duration, Effect, Option, Schema } from "effect"
import { join } from "node:path"
import { v7 as uuidV7 } from "uuid"
import { Projections } from "../../projections/runner.ts"
import { Sqlite } from "../../projections/Sqlite.ts"
import { relayConsumer, streams, telemetryConsumer } from "../../streams/definitions.ts"
import { findServer } from "../nats/binary.ts"
import { connectToOwn } from "../nats/connectPatiently.ts"
import { openCursor } from "../nats/cursor.ts"
import { guardDisk } from "../nats/diskGuard.ts"
import type { Cursor, EventLog } from "../nats/EventLog.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { openLeafConfig } from "../nats/leafConfig.ts"
import { watchLeaf } from "../nats/leafLink.ts"
import { ensureStream } from "../nats/provision.ts"
import { startServer } from "../nats/ServerProcess.ts"
import { holdDirectory } from "../nats/storeLock.ts"
import type { AlertSettings } from "../observing/settings.ts"
import { loadIdentity } from "../security/BackendIdentity.ts"
import { keptText } from "../security/keptText.ts"
import { Keystore } from "../security/Keystore.ts"
import { machineId } from "../security/machineId.ts"
import { localBackendId } from "../security/peerId.ts"
import type { DataKey } from "../security/sealing.ts"
import { advisorKeyOf, type AdvisorOptions } from "./advisor.ts"
import { localAudit } from "./audit.ts"
import { type LamportClock, makeJournal } from "./Journal.ts"
import { openCompanions } from "./companions.ts"
import { openEndedSessions } from "./endedSessions.ts"
import { openErasedPeople } from "./erasedPeople.ts"
import { catchUpWithJournal } from "./journalLoop.ts"
import { journalsFile, type JournalsStore, openJournals } from "./journals.ts"
import { logCursor } from "./mirrorLoop.ts"
import { makePairingStore, type Paired } from "./Pairing.ts"
import { awaitBump, makeState, pairedIn, type State } from "./State.ts"
import { makeSyncTelemetry } from "./syncTelemetry.ts"
import { tablesOf } from "./tablesOf.ts"
import { makeTelemetry, makeTelemetrySink } from "./telemetry.ts"

/** Everything a local backend can be told at its start. Nothing else reads the environment, but for the keystore's passphrase. */
export interface LocalOptions {
  /** This backend's own folder. */
  readonly dataDir: string
  /** Who did what, as JSON lines. */
  readonly auditFile: string
  /** Where its gateway answers. */
  readonly httpUrl: string
  /** Client port of its nats-server on loopback; 0: any free one. */
  readonly natsPort: number
  /** Room for the journal; writes are refused when it is used up. The row's without it. */
  readonly journalMaxBytes?: number
  /** PEM of who vouches for the hosted side's certificates, beside those this system trusts. */
  readonly caFile?: string
  /** Somebody said on purpose that the hosted side may be spoken to in plain text over the network. */
  readonly plainAllowed?: boolean
  /** How long a session with hosted lives before it is renewed; 8 hours at most. */
  readonly sessionTtl: Duration.Duration
  /** The model server questions go to; without it they are refused. */
  readonly advisor?: AdvisorOptions
  readonly alerts: AlertSettings
  readonly onProgress: (line: string) => Effect.Effect<void>
  /** A part ended that never ends: the process must stop. What was acknowledged is safe; the log says why. */
  readonly onBroken: (part: string) => Effect.Effect<void>
}

/** The local backend cannot start. Nothing was changed; the hint says what to do. */
export class LocalStartError extends Schema.TaggedError<LocalStartError>()("LocalStartError", { why: Schema.String, hint: Schema.String }) {}

/** Journal events left to read at a start before it says how far it is. */
const tellFrom = 20_000

/** Who this backend is: its identity, from the keystore, and what it is paired with. */
const openIdentity = Effect.fnUntraced(function*(options: LocalOptions) {
  const keystore = yield* Keystore
  const instanceFile = join(options.dataDir, "instance-id")
  const instanceId = yield* Effect.tryPromise({
    try: () => keptText(instanceFile, () => uuidV7().replaceAll("-", "")),
    catch: () => new LocalStartError({ why: "data directory", hint: `${instanceFile} cannot be read or written. Check the folder's permissions and free space.` })
  })
  const backendId = localBackendId(yield* machineId(join(options.dataDir, "machine-id")), instanceId)
  const self = yield* loadIdentity({ backendId, backendType: "local", capabilities: ["commit.v1", "leaf"], file: join(options.dataDir, "identity.json") })
  const store = makePairingStore({ dataDir: options.dataDir, backendId, keystore })
  return { instanceId, self, store, source: backendId, advisorKey: advisorKeyOf(keystore, backendId) }
})

/** Its nats-server, running, and the streams in it. */
const openServer = Effect.fnUntraced(function*(options: LocalOptions, instanceId: string, isPaired: boolean) {
  const binary = yield* findServer({ say: options.onProgress })
  const runDir = join(options.dataDir, "nats")
  const leaf = yield* openLeafConfig({ directory: runDir, instanceId, port: options.natsPort, plainAllowed: options.plainAllowed === true, ...(options.caFile === undefined ? {} : { caFile: options.caFile }) })
  // a pairing that was lost, or forgotten just before a crash: nothing is linked with what it left
  if (!isPaired && (yield* leaf.status).paired) yield* leaf.unpair
  const server = yield* startServer({ binary: binary.path, configFile: leaf.configFile, runDir })
  const dial = (inboxPrefix: string, name: string) =>
    connectToOwn(server, { auth: leaf.agent, name, inboxPrefix })
  const agent = yield* dial("_INBOX.agent", "agent")
  const journalShape = { replicas: 1, ...(options.journalMaxBytes === undefined ? {} : { sizeMaxBytes: options.journalMaxBytes }) }
  yield* ensureStream(agent, streams.journal, journalShape)
  yield* ensureStream(agent, streams.telemetryOut, { replicas: 1 })
  const { disk, guard } = yield* guardDisk({ directory: join(runDir, "store"), server })
  return {
    leaf, server, dial, agent,
    serverVersion: binary.version,
    link: yield* watchLeaf({ clientPort: server.clientPort, system: leaf.system }),
    disk, journalShape,
    journalLog: guard(jetStreamLog(agent, streams.journal.name)),
    cursor: yield* openCursor(agent, { stream: relayConsumer.stream, name: relayConsumer.name }),
    telemetryOut: guard(jetStreamLog(agent, streams.telemetryOut.name)),
    telemetryCursor: yield* openCursor(agent, { stream: telemetryConsumer.stream, name: telemetryConsumer.name })
  }
})

/** What a local backend finds at its start, kept by others: its store, its link, its pairing. */
export interface Found {
  readonly source: string
  readonly journalLog: EventLog
  readonly cursor: Cursor
  /** TELEMETRY_OUT, and how far of it the hosted side holds. */
  readonly telemetryOut: EventLog
  readonly telemetryCursor: Cursor
  readonly journalsStore: JournalsStore
  readonly link: State["link"]
  readonly known: Option.Option<Paired>
  readonly paused: boolean
}

/** The parts that stand on it, in step with the journal: opened once, before anything is served. */
export const openParts = Effect.fn("openParts")(function*(found: Found, told: (done: number, of: number) => Effect.Effect<void>) {
  const { cursor, journalLog } = found
  const projections = yield* Projections
  const tables = yield* tablesOf(found.source)
  const state = yield* makeState(found.link, found.known, found.paused, yield* cursor.position)
  const clock: LamportClock = { seen: yield* tables.greatestLamport }
  const dataKeys = (kid: string): DataKey | undefined =>
    pairedIn(state)?.secrets.dataKeys.find((key) => key.kid === kid)
  const reading = { state, journal: journalLog, projections, clock, dataKeys }
  yield* catchUpWithJournal(reading, told)
  const { lastSeq } = yield* journalLog.info
  const heads = yield* tables.heads
  const sqlite = yield* Sqlite
  const telemetryParts = {
    projections,
    out: found.telemetryOut,
    source: found.source,
    paired: () => pairedIn(state)?.with,
    isRevoked: tables.isRevoked,
    emptied: awaitBump(state.reread)
  }
  const telemetry = makeTelemetry(telemetryParts)
  const sink = yield* makeTelemetrySink(telemetry)
  return {
    ...found, projections, tables, state, clock, reading, telemetry, telemetryParts, sink,
    syncTelemetry: makeSyncTelemetry(sink.emit),
    ask: <A, E>(query: Effect.Effect<A, E, Sqlite>): Effect.Effect<A> => query.pipe(Effect.provideService(Sqlite, sqlite), Effect.orDie),
    journal: yield* makeJournal(journalLog, { clock, source: found.source, lastSeq }),
    journals: yield* openJournals(journalLog, found.journalsStore),
    /** How far the tables have read the log, and the last valid record there. */
    seen: {
      log_seq: (yield* projections.positions).get(logCursor)?.seq ?? 0,
      head: heads.reduce((last, [, , head]) => head.seq > last.seq ? head : last, { seq: 0, digest: "" }).digest
    },
    dataKeys,
    compact: sqlite.compact
  }
})

/** What every part of a local backend stands on. */
export const openBase = Effect.fn("openBase")(function*(options: LocalOptions) {
  if (!(yield* holdDirectory(options.dataDir))) {
    return yield* new LocalStartError({ why: "already running", hint: `Another local backend runs on ${options.dataDir}. Stop that one first; one data directory, one process.` })
  }
  const identity = yield* openIdentity(options)
  const audit = yield* localAudit(options.auditFile)
  const known = yield* identity.store.load
  const server = yield* openServer(options, identity.instanceId, Option.isSome(known))
  const { paused } = yield* server.leaf.status
  const parts = yield* openParts(
    { ...server, source: identity.source, known, paused, journalsStore: journalsFile(options.dataDir) },
    (done, of) => of - done > tellFrom ? options.onProgress(`reading the journal: ${done} of ${of}`) : Effect.void)
  return { ...identity, ...server, ...parts, audit, companions: yield* openCompanions(options.dataDir), erasedPeople: yield* openErasedPeople(options.dataDir), endedSessions: yield* openEndedSessions(options.dataDir), sessionLife: options.sessionTtl, dataDir: options.dataDir, plainAllowed: options.plainAllowed === true }
})

export type Base = Effect.Success<ReturnType<typeof openBase>>
