import { Duration, Effect, Option, Schedule, Stream } from "effect"
import { join } from "node:path"
import { CommandFailed } from "../../streams/Backend.ts"
import type { BackupPlan, BackupRow } from "../../streams/Backup.ts"
import { streams } from "../../streams/definitions.ts"
import type { Wired } from "../nats/connect.ts"
import { jetStreamLog } from "../nats/jetStreamLog.ts"
import { snapshotState, snapshotStream, streamNames } from "../nats/snapshot.ts"
import type { LogIdentity } from "./ingest.ts"
import { readIfThere } from "../security/readIfThere.ts"

export interface BackupContext {
  readonly service: Wired
  readonly dataDir: string
  readonly backendId: string
  readonly logIdentity: () => LogIdentity
  readonly serverVersion: string
  /** Only the admin role's data directory holds the whole deployment. */
  readonly adminRole: boolean
}

/** The hub's streams that a backup holds, as they are called wherever there are several. */
export const isLogStream = (name: string): boolean => new RegExp(`^${streams.log.name}(_\\d+)?$`).test(name)
export const tenantStore = "KV_TENANTS"
const others: ReadonlyArray<string> = [streams.telemetry.name, streams.audit.name, streams.alerts.name]

/** The part that is no stream: who this deployment is, encrypted under the master key, which is in no backup. */
export const deploymentPart = "deployment"

/**
 * The deployment's own files. All but `keys.json` are public, and that one is encrypted. `log.json` says which log and
 * epoch it was; the admin token, the keystore and the projections are left out.
 */
export const deploymentFiles: ReadonlyArray<string> = ["deployment-id", "identity.json", "keys.json", "revocations.json", "gone.json", "log.json"]

const bytesPerRow = 256 * 1024

/** What there is to back up. Logs come first: a tenant made meanwhile has its key in what is read later. */
export const backupPlan = (context: BackupContext): Effect.Effect<BackupPlan, CommandFailed> =>
  !context.adminRole ? Effect.fail(notHere) : streamNames(context.service).pipe(
    Effect.mapError(() => notNow),
    Effect.map((names) => {
      const { epoch, id } = context.logIdentity()
      const kept = names.filter((name) => isLogStream(name) || others.includes(name))
      return {
        backend_id: context.backendId,
        log_id: id,
        log_epoch: epoch,
        nats_server: context.serverVersion,
        parts: [
          ...kept.map((name) => ({ name, keys: false })),
          ...[...names.filter((name) => name === tenantStore), deploymentPart].map((name) => ({ name, keys: true }))
        ]
      }
    })
  )

/** One part, from its first byte to its last, and the word that it is whole. */
export const backupPart = (context: BackupContext, name: string): Stream.Stream<BackupRow, CommandFailed> =>
  Stream.unwrap(Effect.gen(function*() {
    const { parts } = yield* backupPlan(context)
    if (!parts.some((part) => part.name === name)) return yield* new CommandFailed({ status: 404, type: "no-such-part", hint: `There is no ${name.slice(0, 64)} to back up here.` })
    if (name === deploymentPart) return yield* deploymentRows(context.dataDir)
    const { bytes, head } = yield* name === tenantStore ? settledSnapshot(context.service) : Effect.mapError(snapshotStream(context.service, name), () => notNow)
    const of = Option.match(snapshotState(head), { onNone: () => 0, onSome: (state) => state.bytes })
    return Stream.make<[BackupRow]>({ head: { ...head }, of }).pipe(
      Stream.concat(bytes.pipe(Stream.map(row), Stream.mapError(() => broken))),
      Stream.concat(whole))
  }))

/** Snapshots of the tenant store until one is of a moment in which nothing was written: each takes milliseconds. */
const settling = Schedule.max([Schedule.spaced(Duration.millis(200)), Schedule.recurs(50)])

/**
 * The tenant store as it is at one moment. Its keys are written anew, and a server's snapshot that goes on meanwhile has
 * neither what a key held before, which is gone when it comes there, nor what it was given, which is behind its end.
 */
const settledSnapshot = (service: Wired) =>
  Effect.gen(function*() {
    const { bytes, head } = yield* snapshotStream(service, tenantStore)
    const chunks = yield* Stream.runCollect(bytes)
    const saved = Option.getOrUndefined(snapshotState(head))
    const { lastSeq, messages } = yield* jetStreamLog(service, tenantStore).info
    return { head, bytes: Stream.fromIterable(chunks), isSettled: saved?.last_seq === lastSeq && saved.messages === messages }
  }).pipe(
    Effect.scoped,
    Effect.mapError(() => notNow),
    Effect.filterOrFail(({ isSettled }) => isSettled, () => neverSettled),
    Effect.retry({ schedule: settling, while: (error) => error === neverSettled }))

const whole: Stream.Stream<BackupRow> = Stream.make({ whole: true })
const row = (bytes: Uint8Array): BackupRow => ({ data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") })

const deploymentRows = Effect.fnUntraced(function*(dataDir: string) {
  const files: Record<string, string> = {}
  for (const name of deploymentFiles) {
    const text = yield* Effect.tryPromise({
      try: () => readIfThere(join(dataDir, name)),
      catch: () => new CommandFailed({ status: 503, type: "not-readable", hint: `${join(dataDir, name)} cannot be read; see its owner and permissions.` })
    })
    if (text !== undefined) files[name] = text
  }
  const bytes = Buffer.from(JSON.stringify(files))
  const rows = Array.from({ length: Math.ceil(bytes.length / bytesPerRow) }, (_, i) => row(bytes.subarray(i * bytesPerRow, (i + 1) * bytesPerRow)))
  return Stream.make<[BackupRow]>({ head: null, of: bytes.length }).pipe(Stream.concat(Stream.fromIterable(rows)), Stream.concat(whole))
})

const notHere = new CommandFailed({ status: 409, type: "no-admin-role", hint: "This process joined a cluster and does not hold the whole deployment. Run `maestra hosted cluster backup` where the cluster was made." })
const notNow = new CommandFailed({ status: 503, type: "not-reachable", hint: "The hub does not answer right now; try again in a moment." })
const neverSettled = new CommandFailed({ status: 503, type: "never-settled", hint: "The tenant store is written to without a pause, by devices that register; nothing is complete. Start it again in a moment." })
const broken = new CommandFailed({ status: 503, type: "backup-broken", hint: "The hub stopped in the middle of the backup, or the reader was too slow; nothing is complete. Start it again." })
