import { Clock, Duration, Effect, Redacted, Result, Stream, SubscriptionRef } from "effect"
import { randomBytes, randomInt } from "node:crypto"
import type { Audit } from "../../streams/Audit.ts"
import { CommandFailed, type DiskRoom, HostedControl } from "../../streams/Backend.ts"
import { isoTime } from "../../streams/time.ts"
import type { Wired } from "../nats/connect.ts"
import type { Disk } from "../nats/diskGuard.ts"
import type { ServerDisk } from "../nats/serverDisks.ts"
import { deletePeerConsumer } from "../nats/peerConsumer.ts"
import type { Signer } from "../security/BackendIdentity.ts"
import { toBase64url } from "../security/digest.ts"
import { encodePairingCode } from "../security/pairingCode.ts"
import { dataKeyBytes, kidOf, newDataKey } from "../security/sealing.ts"
import { type BackupContext, backupPart, backupPlan } from "./backup.ts"
import type { Cutting } from "./followRevocations.ts"
import { noteBackup, staleBackups } from "./knownBackups.ts"
import type { LogView } from "./LogView.ts"
import { unknownHere } from "./observing.ts"
import type { OwnCommits } from "./OwnCommits.ts"
import type { Partition, Partitions } from "./Partitions.ts"
import { peerRows } from "./peerRows.ts"
import type { Device, TenantRecord } from "./TenantRecord.ts"
import type { Tenants } from "./Tenants.ts"

export interface HostedControlContext {
  readonly tenants: Tenants
  readonly audit: Audit["Service"]
  readonly own: OwnCommits
  readonly identity: Signer
  readonly service: Wired
  /** The admin role cuts leafs; where this process has it not, it hears of the revocation from the tenant store. */
  readonly cutting: Cutting | undefined
  readonly publicUrl: string
  /** How long a pairing code waits for its device. */
  readonly pairingLife: Duration.Duration
  readonly view: LogView
  readonly partitions: Partitions
  readonly serverVersion: string
  readonly backup: BackupContext
  /** Room under the hub's store; on a cluster where there is least. */
  readonly disk: SubscriptionRef.SubscriptionRef<Disk>
  /** Of a cluster: each server that is watched. */
  readonly serverDisks: Effect.Effect<ReadonlyArray<ServerDisk>> | undefined
  /** Peers for whom another device of theirs vouched. */
  readonly confirmed: (tenant: string) => Effect.Effect<ReadonlySet<string>>
  readonly positions: (tenant: string) => Effect.Effect<ReadonlyArray<{ readonly peer_id: string; readonly log_seq: number; readonly seen_at: string }>>
}

/** Names of users are the operator's; long enough for an e-mail address. */
const userMaxLength = 256
/** Codes waiting for their device, of one user. */
const pendingMax = 20

const failed = (status: CommandFailed["status"], type: string, hint: string) => new CommandFailed({ status, type, hint })
const unavailable = ({ hint }: { readonly hint: string }) => failed(503, "try-again", hint)

export const makeHostedControl = (context: HostedControlContext): HostedControl["Service"] => {
  const { tenants } = context
  return HostedControl.of({
    enroll: (user) => enroll(context, user),
    peers: Effect.gen(function*() {
      const now = yield* Clock.currentTimeMillis
      const rows = yield* Effect.forEach([...tenants.all()], (record) =>
        Effect.map(Effect.all([context.positions(record.tenant), context.confirmed(record.tenant)]), ([positions, confirmed]) =>
          peerRows(record, { positions, confirmed, lastSeq: context.view.of(record.tenant).lastSeq, now })))
      return rows.flat()
    }),
    status: Effect.gen(function*() {
      const logs = yield* Effect.forEach(context.partitions.all, stateOf)
      const all = [...tenants.all()]
      const stale_backups = yield* staleBackups(context.backup.dataDir)
      return {
        backend_id: context.identity.identity.backend_id,
        public_url: context.publicUrl,
        fingerprint: context.identity.keyId,
        admin_role: context.cutting !== undefined,
        log_id: logs[0]!.log_id,
        log_epoch: Math.max(...logs.map(({ log_epoch }) => log_epoch)),
        log: logs.length === 1 ? logs[0]!.log : null,
        ...(logs.length === 1 ? {} : { partitions: logs }),
        tenants: all.map((record) => ({ tenant: record.tenant, user_id: record.user_id, devices: record.devices.length, last_seq: context.view.of(record.tenant).lastSeq })),
        peers: all.reduce((sum, record) => sum + record.devices.length, 0),
        disk: roomOf(SubscriptionRef.getUnsafe(context.disk)),
        ...(context.serverDisks === undefined ? {} : { server_disks: yield* context.serverDisks }),
        ...(stale_backups.length === 0 ? {} : { stale_backups }),
        versions: { nats_server: context.serverVersion }
      }
    }),
    revoke: (peer, cause) => revoke(context, peer, cause),
    backupPlan: (to) => Effect.tap(backupPlan(context.backup), () => to === undefined ? Effect.void : noteBackup(context.backup.dataDir, to)),
    backupPart: (name) => Stream.unwrap(Effect.as(context.audit.record({ type: "backup.read", data: { part: name } }), backupPart(context.backup, name)))
  })
}

/** Makes the tenant where there is none yet, and a code for one more device. */
const enroll = Effect.fnUntraced(function*(context: HostedControlContext, user: string) {
  const { tenants } = context
  if (user === "" || user.length > userMaxLength || !user.isWellFormed()) return yield* failed(400, "user-id", `A user id has 1 to ${userMaxLength} characters.`)
  const now = yield* Clock.currentTimeMillis
  const secret = randomBytes(32)
  const expires_at = isoTime(now + Duration.toMillis(context.pairingLife))
  const isNew = tenants.ofUser(user) === undefined
  const held = yield* tenants.ofUserOrNew(user, (tenant) => newTenant(tenant, user, isoTime(now), context.partitions.all.length)).pipe(Effect.mapError(unavailable))
  if (isNew) yield* context.audit.record({ type: "tenant.created", tenant: held.tenant, data: {} })
  const record = yield* tenants.update(held.tenant, (current): Result.Result<TenantRecord, CommandFailed> => {
    const waiting = current.pending.filter((pending) => pending.expires_at > isoTime(now))
    return waiting.length >= pendingMax
      ? Result.fail(failed(429, "too-many-codes", `${pendingMax} pairing codes of this user wait for their devices. They end within ten minutes.`))
      : Result.succeed({ ...current, pending: [...waiting, { secret: toBase64url(secret), expires_at }] })
  }).pipe(Effect.catchTag("TenantsUnavailable", (error) => Effect.fail(unavailable(error))))
  yield* context.audit.record({ type: "pairing.code_made", tenant: record.tenant, data: { expires_at } })
  const code = encodePairingCode({ url: context.publicUrl, fingerprint: context.identity.keyId, userId: user, secret: Redacted.make(new Uint8Array(secret)) })
  return { code, user_id: user, tenant: record.tenant, expires_at }
})

const roomOf = ({ freeBytes, state }: Disk): DiskRoom => ({ state, free_bytes: freeBytes })

/** One partition, and what its stream holds; `null` while that does not answer. */
const stateOf = ({ log, mark: { log_epoch, log_id } }: Partition) =>
  Effect.map(Effect.option(log.info), (info) => ({
    name: log.name, log_id, log_epoch,
    log: info._tag === "Some" ? { first_seq: info.value.firstSeq, last_seq: info.value.lastSeq, messages: info.value.messages, bytes: info.value.bytes } : null
  }))

/** A tenant's partition is chosen here, once: by chance, which spreads many evenly without asking anybody. */
const newTenant = (tenant: string, user: string, now: string, partitions: number): TenantRecord => {
  const key = newDataKey(kidOf(tenant, 1))
  return { tenant, user_id: user, partition: randomInt(partitions), data_keys: [{ kid: key.kid, key: toBase64url(dataKeyBytes(key)) }], pending: [], devices: [], gone: [], created_at: now }
}

/**
 * Shut a peer out: its secret destroyed (from here on every hosted process refuses it), then its leaf cut, its
 * consumer deleted, and the log told. A second call does no harm and finishes what the first could not.
 */
const revoke = Effect.fnUntraced(function*(context: HostedControlContext, peer: string, cause: "requested" | "lost" | "compromised"): Effect.fn.Return<void, CommandFailed> {
  const record = [...context.tenants.all()].find(({ devices, gone }) => [...devices, ...gone].some(({ peer_id }) => peer_id === peer))
  if (record === undefined) return yield* unknownHere(context, peer)
  const now = yield* Clock.currentTimeMillis
  const leaving = goingWith(record, peer)
  const after = yield* context.tenants.update(record.tenant, (current): Result.Result<TenantRecord, never> => {
    return Result.succeed(goingWith(current, peer).reduce((held, device) => shutOut(held, device, isoTime(now)), current))
  }).pipe(Effect.mapError(unavailable))
  const finish = Effect.gen(function*() {
    if (context.cutting !== undefined) yield* context.cutting.cut(after).pipe(Effect.mapError(unavailable))
    yield* deletePeerConsumer(context.service, { peer, log: context.partitions.of(record.tenant).log.name }).pipe(Effect.mapError(() => unavailable({ hint: "The hub does not answer right now; revoke again to finish." })))
    yield* context.own.write(record.tenant, goneWith(after, peer).map((peer_id) => ({ fact: { type: "peer.revoked" as const, data: { peer_id, cause } }, subject: peer_id, surface: "hosted" }))).pipe(Effect.mapError(unavailable))
  })
  const entries = Effect.forEach(leaving, ({ peer_id }) => context.audit.record({ type: "peer.revoked", tenant: record.tenant, data: { peer_id, cause } }))
  // beside it: an audit that is slow keeps nobody in
  yield* Effect.all([entries, finish], { concurrency: "unbounded", discard: true })
})

/** A device and its companions: whoever holds its secret S can make their keys K. */
export const goingWith = (record: TenantRecord, peer: string): ReadonlyArray<Device> => {
  const device = record.devices.find(({ peer_id }) => peer_id === peer)
  return device === undefined ? [] : [device, ...record.devices.filter(({ companion_of }) => companion_of === device.backend_id)]
}

/** Whom the log has to be told of: also where a first call was cut off after the secret was destroyed. */
export const goneWith = ({ gone }: TenantRecord, peer: string): ReadonlyArray<string> => {
  const backend = gone.find(({ peer_id }) => peer_id === peer)?.backend_id
  return backend === undefined ? [] : [peer, ...gone.flatMap(({ companion_of, peer_id }) => companion_of === backend ? [peer_id] : [])]
}

/** The record without the device: its secret is gone, and what is left says that it may not come back. */
export const shutOut = (record: TenantRecord, device: Device, at: string): TenantRecord => ({
  ...record,
  devices: record.devices.filter(({ peer_id }) => peer_id !== device.peer_id),
  gone: [...record.gone.filter(({ peer_id }) => peer_id !== device.peer_id), { backend_id: device.backend_id, peer_id: device.peer_id, what: "revoked", at, transport_keys: device.transport_keys, ...(device.companion_of === undefined ? {} : { companion_of: device.companion_of }) }]
})
