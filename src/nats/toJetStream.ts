import { DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType, StoreCompression } from "@nats-io/jetstream"
import { Duration } from "effect"
import type { peerConsumer, StreamDefinition, toolConsumer } from "../../streams/definitions.ts"
import { subjects } from "../../streams/subjects.ts"

/** A stream in JetStream's words: the keys we set, everything else is the server's default. */
export interface StreamConfig {
  readonly name: string
  readonly description?: string
  readonly subjects?: ReadonlyArray<string>
  readonly metadata?: Readonly<Record<string, string>>
  readonly [key: string]: unknown
}

export interface ProvisionOptions {
  /** One server alone: 1. On a cluster the row's. */
  readonly replicas: number
  /** In place of the row's; a disk smaller than that refuses the stream. */
  readonly sizeMaxBytes?: number
  /** Noted at the stream when it is made; what is there already wins. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** The only place where our rows become JetStream's words, and durations nanoseconds. */
export const toJetStream = (row: StreamDefinition, { metadata, replicas, sizeMaxBytes }: ProvisionOptions): StreamConfig => ({
  name: row.name,
  description: row.why,
  subjects: [...row.subjects],
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  compression: StoreCompression.None,
  num_replicas: replicas,
  discard: row.whenFull === "refuse-new" ? DiscardPolicy.New : DiscardPolicy.Old,
  max_age: nanoseconds(row.ageMax),
  max_bytes: sizeMaxBytes ?? row.sizeMaxBytes,
  max_msg_size: row.messageMaxBytes,
  duplicate_window: nanoseconds(row.duplicateWindow),
  deny_delete: row.denyDelete,
  deny_purge: row.denyPurge,
  allow_atomic: row.atomicBatches,
  allow_direct: row.directReads,
  ...(row.storedAs && { subject_transform: { src: row.storedAs.arriving, dest: row.storedAs.kept } }),
  ...(metadata && { metadata })
})

/** Of a bucket in memory: a hundred thousand peers' limits. */
const shortBucketMaxBytes = 64 * 1024 * 1024

/** What lives in the hub's memory and for so long. `whenFull`: refuse what is new, unless the oldest may go before its time. */
export interface ShortBucket {
  readonly ageMax: Duration.Duration
  readonly whenFull?: "drop-oldest"
}

/** A key-value bucket as the official clients make and read it; reads only from the leader. */
export const bucketToJetStream = (bucket: string, replicas: number, short?: ShortBucket): StreamConfig => ({
  name: `KV_${bucket}`,
  subjects: [`$KV.${bucket}.>`],
  // what lives for minutes is not worth a sync: it is gone with the server, and its owners can do without
  storage: short === undefined ? StorageType.File : StorageType.Memory,
  ...(short && { max_age: nanoseconds(short.ageMax), max_bytes: shortBucketMaxBytes }),
  retention: RetentionPolicy.Limits,
  compression: StoreCompression.None,
  num_replicas: replicas,
  discard: short?.whenFull === "drop-oldest" ? DiscardPolicy.Old : DiscardPolicy.New,
  max_msgs_per_subject: 1,
  deny_delete: true,
  allow_rollup_hdrs: true,
  allow_direct: false
})

/** The consumer that feeds one peer's mirror. Policy `flow_control` allows no ack_wait and no max_deliver. */
export const peerConsumerToJetStream = (row: typeof peerConsumer, { peer, tenant }: { readonly peer: string; readonly tenant: string }) => ({
  durable_name: row.nameOf(peer),
  deliver_subject: subjects.deliver(peer),
  filter_subject: subjects.logTenant(tenant),
  deliver_policy: DeliverPolicy.All,
  ack_policy: "flow_control",
  flow_control: true,
  idle_heartbeat: nanoseconds(row.idleHeartbeat),
  max_ack_pending: row.maxAckPending,
  num_replicas: row.replicas
})

/** The consumer one tool reads a tenant's log through. */
export const toolConsumerToJetStream = (row: typeof toolConsumer, { consumer, deliver, tenant }: { readonly consumer: string; readonly deliver: string; readonly tenant: string }) => ({
  durable_name: consumer,
  deliver_subject: deliver,
  filter_subject: subjects.logTenant(tenant),
  deliver_policy: DeliverPolicy.All,
  ack_policy: "flow_control",
  flow_control: true,
  idle_heartbeat: nanoseconds(row.idleHeartbeat),
  max_ack_pending: row.maxAckPending,
  num_replicas: row.replicas
})

/**
 * The local copy of a tenant's part of the log, fed by that consumer through the import `store` of the leaf's account.
 *
 * The one stream that is not synced write by write: one at a time, as a mirror writes, that allows 3,000 messages a second
 * instead of 80,000. Nothing is promised on it: a tail that a crash took is missed when hosted compares counts, at each
 * start of the server, and fetched again.
 */
export const mirrorToJetStream = ({ consumer, log, name, peer }: { readonly name: string; readonly log: string; readonly consumer: string; readonly peer: string }): StreamConfig => ({
  name,
  storage: StorageType.File,
  num_replicas: 1,
  compression: StoreCompression.None,
  persist_mode: "async",
  mirror: { name: log, external: { api: "store", deliver: "" }, consumer: { name: consumer, deliver_subject: subjects.deliver(peer) } }
})

const nanoseconds = (duration: Duration.Duration): number => Duration.toMillis(duration) * 1_000_000
