import { segmentOf } from "../../../../streams/paths.ts"
import type { Alert, AuditEntry, Check, Dashboard, HostedPeer, HostedStatus, PeerDebug, PeerMetrics, Silence } from "./observed.ts"
import { type Listening, listen } from "./events.ts"
import { type Access, requestsTo } from "./Requests.ts"

/** A hosted backend, for its operator: with an admin token. One tenant's data is read by `conversationsOf` and `upkeepOf`, which name it. */
export interface HostedBackend {
  readonly status: () => Promise<HostedStatus>
  readonly peers: () => Promise<ReadonlyArray<HostedPeer>>
  /** How syncing goes, of every peer. */
  readonly metrics: () => Promise<ReadonlyArray<PeerMetrics>>
  /** What `doctor` asks of it: streams as they should be, on a cluster their copies. */
  readonly checks: () => Promise<ReadonlyArray<Check>>
  /** Why a peer is not in step. */
  readonly debug: (peer: string) => Promise<PeerDebug>
  /** What telemetry adds up to, over so many hours. */
  readonly dashboard: (hours: number) => Promise<Dashboard>
  /** That something happened at any tenant, and not what: `subject` says where (`log`, `telemetry`). With `tenant` that one's events. */
  readonly listen: (listening: Listening) => Promise<void>
  /** Those that fire first, then those resolved lately. */
  readonly alerts: () => Promise<{ readonly alerts: ReadonlyArray<Alert>; readonly silences: ReadonlyArray<Silence> }>
  /** Tell nobody of alerts like these for so many minutes; 0 ends it. */
  readonly silence: (about: Pick<Silence, "kind" | "subject">, minutes: number) => Promise<Silence>
  /** The newest of who did what, oldest first. */
  readonly audit: (limit: number) => Promise<ReadonlyArray<AuditEntry>>
  /** A one-time code for one more device of a user. */
  readonly enroll: (user: string) => Promise<{ readonly code: string; readonly user_id: string; readonly tenant: string; readonly expires_at: string }>
  /** Nothing flows to or from it any more, within a second. */
  readonly revoke: (peer: string, cause?: "requested" | "lost" | "compromised") => Promise<{ readonly sentence: string }>
}

export const hostedBackend = (access: Access): HostedBackend => {
  const request = requestsTo(access)
  return {
    status: () => request("GET", "/status"),
    peers: async () => (await request<{ readonly peers: ReadonlyArray<HostedPeer> }>("GET", "/peers")).peers,
    metrics: async () => (await request<{ readonly peers: ReadonlyArray<PeerMetrics> }>("GET", "/sync/metrics")).peers,
    checks: async () => (await request<{ readonly checks: ReadonlyArray<Check> }>("GET", "/checks")).checks,
    debug: (peer) => request("GET", `/debug/sync/${segmentOf(peer)}`),
    dashboard: (hours) => request("GET", "/dashboard/telemetry", { query: { hours } }),
    listen: (listening) => listen(access, listening),
    alerts: () => request("GET", "/alerts"),
    silence: (about, minutes) => request("POST", "/alerts/silence", { body: { ...about, minutes } }),
    audit: async (limit) => (await request<{ readonly entries: ReadonlyArray<AuditEntry> }>("GET", "/audit", { query: { limit } })).entries,
    enroll: (user) => request("POST", "/enroll", { body: { user } }),
    revoke: (peer, cause) => request("DELETE", `/peers/${segmentOf(peer)}`, { query: { cause } })
  }
}
