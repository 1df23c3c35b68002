import { Duration } from "effect"
import { journalMaxBytes, payloadMaxBytes, telemetryOutMaxBytes } from "./limits.ts"
import { patterns, subjects } from "./subjects.ts"

const GiB = 1024 ** 3

/** A stream as a row of data. `src/nats/toJetStream.ts` is the one place that turns it into JetStream's words. */
export interface StreamDefinition {
  readonly name: string
  readonly side: "local" | "hosted"
  readonly subjects: ReadonlyArray<string>
  readonly whenFull: "refuse-new" | "drop-oldest"
  /** Zero means for ever. */
  readonly ageMax: Duration.Duration
  readonly sizeMaxBytes: number
  readonly messageMaxBytes: number
  readonly duplicateWindow: Duration.Duration
  readonly denyDelete: boolean
  readonly denyPurge: boolean
  readonly atomicBatches: boolean
  /** Followers may answer reads: cheaper, and possibly behind. Never for a fence. */
  readonly directReads: boolean
  /** Replicas on a cluster; one server alone has one. */
  readonly replicas: 1 | 3
  readonly why: string
  /** What arrives on the first is kept under the second. */
  readonly storedAs?: { readonly arriving: string; readonly kept: string }
}

const durable = {
  whenFull: "refuse-new",
  ageMax: Duration.zero,
  messageMaxBytes: payloadMaxBytes,
  duplicateWindow: Duration.minutes(2),
  denyDelete: true,
  denyPurge: false,
  atomicBatches: true,
  directReads: false
} as const

export const streams = {
  journal: {
    ...durable,
    name: "JOURNAL",
    side: "local",
    subjects: [patterns.journal],
    sizeMaxBytes: journalMaxBytes,
    replicas: 1,
    why: "What was written here, before redaction. It is the offline queue, so full means refuse, never drop."
  },
  telemetryOut: {
    ...durable,
    name: "TELEMETRY_OUT",
    side: "local",
    subjects: [patterns.telemetryOut],
    whenFull: "drop-oldest",
    ageMax: Duration.days(7),
    sizeMaxBytes: telemetryOutMaxBytes,
    denyDelete: false,
    atomicBatches: false,
    replicas: 1,
    why: "Telemetry may be lost after a week offline; conversations may not."
  },
  log: {
    ...durable,
    name: "LOG",
    side: "hosted",
    subjects: [patterns.log],
    sizeMaxBytes: 1024 * GiB,
    directReads: true,
    replicas: 3,
    why: "The truth of all tenants. Everything in projections/ can be rebuilt from it."
  },
  telemetry: {
    ...durable,
    name: "TELEMETRY",
    side: "hosted",
    subjects: [patterns.telemetry],
    whenFull: "drop-oldest",
    ageMax: Duration.days(30),
    sizeMaxBytes: 64 * GiB,
    duplicateWindow: Duration.minutes(10),
    denyDelete: false,
    atomicBatches: false,
    replicas: 3,
    why: "Message id <peer>:<event_id>; roll-ups key on the same, so the window is only an optimisation: every id in it is in the server's memory."
  },
  audit: {
    ...durable,
    name: "AUDIT",
    side: "hosted",
    subjects: [patterns.audit],
    ageMax: Duration.days(400),
    sizeMaxBytes: 16 * GiB,
    denyPurge: true,
    replicas: 3,
    why: "Who did what: opaque ids and numbers only, so it may outlive an erasure."
  },
  alerts: {
    ...durable,
    name: "ALERTS",
    side: "hosted",
    subjects: [patterns.alerts],
    ageMax: Duration.days(90),
    sizeMaxBytes: GiB,
    denyDelete: false,
    atomicBatches: false,
    replicas: 3,
    why: "Raised and resolved once each."
  }
} as const satisfies Record<string, StreamDefinition>

/** How many streams the log may be spread over: each is a Raft group with a leader of its own. */
export const partitionsMax = 64

/**
 * The log's streams: `LOG` alone, or `LOG_0 … LOG_<count-1>`, each with some of the tenants.
 *
 * No two streams of an account may listen on one subject, and a tenant's subjects do not say where it lives: so a
 * partition listens on a subject with its number in front, which it takes off before it keeps a message. Whoever reads
 * finds `log.<tenant>.…` in every one.
 */
export const logPartitions = (count: number): ReadonlyArray<StreamDefinition> =>
  count === 1
    ? [streams.log]
    : Array.from({ length: count }, (_, index) => ({
      ...streams.log,
      name: `${streams.log.name}_${index}`,
      subjects: [subjects.partition(index, patterns.log)],
      storedAs: { arriving: subjects.partition(index, patterns.log), kept: patterns.log }
    }))

/** The mirror is JetStream's own; only its name is ours. */
export const mirrorName = "MIRROR"

/** The relay's durable consumer on JOURNAL: what is pending there is what is not yet synced. */
export const relayConsumer = {
  stream: streams.journal.name,
  name: "relay",
  why: "Its ack floor is the relay's cursor: everything up to `to` of the last commit."
} as const

/** The durable position on TELEMETRY_OUT of what was stored on the hosted side. */
export const telemetryConsumer = {
  stream: streams.telemetryOut.name,
  name: "telemetry",
  why: "A position like the relay's; what was dropped behind it for age or size is not waited for."
} as const

/** The hosted side's durable push consumer for one peer's mirror (numbers as tried on nats-server 2.15.1). */
export const peerConsumer = {
  stream: streams.log.name,
  nameOf: (peer: string) => `peer-${peer}`,
  idleHeartbeat: Duration.seconds(1),
  maxAckPending: 10_000,
  replicas: 1,
  why: "One replica: a thousand peers must not be a thousand Raft groups; the head request re-creates a lost one."
} as const

/** The durable push consumer of one tool: like a peer's, with its own random id. Names hold no `-`, so none begins another. */
export const toolConsumer = {
  prefixOf: (tenant: string, name: string) => `tool-${tenant}-${name}-`,
  idleHeartbeat: Duration.seconds(5),
  maxAckPending: 1000,
  replicas: 1,
  why: "Acknowledged by flow control, which is all a tool may publish; one replica, because a lost one is granted again."
} as const
