/** How it goes, as a backend tells it to its operator or its owner, field by field as on the wire. */

export interface HostedPeer {
  readonly peer_id: string
  readonly backend_id: string
  readonly backend_type: string
  readonly user_id: string
  readonly tenant: string
  readonly key_since: string
  readonly registered_at: string
  readonly expires_at: string
  readonly last_seen: string | null
  readonly online: boolean
  readonly behind: number
  readonly status: string
  /** Another device of this person vouched for it. */
  readonly confirmed: boolean
}

export interface PeerMetrics {
  readonly peer_id: string
  readonly backend_id: string
  readonly last_sync: string | null
  readonly sync_lag_seconds: number
  readonly queue_depth: number
  readonly sync_success_rate: number
  readonly last_error: string | null
  readonly total_syncs: number
  readonly total_events: number
}

export interface PeerDebug {
  readonly peer_info: Readonly<Record<string, unknown>>
  readonly sbt_status: string
  /** Seconds. */
  readonly sbt_expires_in: number | null
  readonly offline_queue: ReadonlyArray<{ readonly seq: number; readonly type: string | null; readonly time: string; readonly bytes: number }>
  readonly recent_errors: ReadonlyArray<{ readonly at: string; readonly what: string }>
  readonly network_status: Readonly<Record<string, unknown>>
  readonly last_successful_sync: string | null
  /** Seconds. */
  readonly sync_lag: number
}

export interface Figures {
  readonly events: number
  readonly latency_ms: number | null
  readonly tokens_used: number
  readonly cost_usd: number
}

export interface Dashboard {
  readonly total_peers: number
  readonly online_peers: number
  readonly total_events_24h: number
  readonly avg_latency_ms: number | null
  readonly total_cost_24h: number
  readonly top_peers_by_events: ReadonlyArray<{ readonly peer_id: string; readonly events: number }>
  readonly hours: number
  readonly by_hour: ReadonlyArray<Figures & { readonly hour: string }>
  readonly by_peer: ReadonlyArray<Figures & { readonly peer_id: string }>
  readonly by_model: ReadonlyArray<Figures & { readonly model: string | null }>
  readonly by_type: ReadonlyArray<Figures & { readonly event_type: string }>
}

export interface Alert {
  readonly id: string
  readonly kind: string
  readonly severity: "warning" | "critical"
  readonly status: "firing" | "resolved"
  readonly subject: string
  readonly summary: string
  readonly todo: string
  readonly raised_at: string
  readonly resolved_at: string | null
  /** Nobody is told of it before then. */
  readonly silenced_until: string | null
}

/** Nobody is told of alerts that fit, until then. `null`: of any kind, of anything. */
export interface Silence {
  readonly kind: string | null
  readonly subject: string | null
  readonly until: string
}

export interface AuditEntry {
  readonly id: string
  readonly type: string
  readonly tenant: string | null
  readonly time: string
  readonly by: string
  readonly data: Readonly<Record<string, unknown>>
  readonly count?: number
}

export interface StreamHealth {
  readonly name: string
  readonly log_epoch: number
  /** `null`: its stream does not answer. */
  readonly log: { readonly last_seq: number; readonly messages: number; readonly bytes: number } | null
}

/** One thing that was looked at, and what to do about it. */
export interface Check {
  readonly level: "ok" | "warn" | "fail"
  readonly name: string
  readonly detail: string
  readonly todo?: string
}

/** Room under one store. */
export interface Room {
  readonly state: "ok" | "low" | "full"
  readonly free_bytes: number | null
}

export interface HostedStatus {
  readonly backend_id: string
  readonly public_url: string
  readonly admin_role: boolean
  readonly log_epoch: number
  readonly log: StreamHealth["log"]
  readonly partitions?: ReadonlyArray<StreamHealth>
  readonly tenants: ReadonlyArray<{ readonly tenant: string; readonly user_id: string; readonly devices: number; readonly last_seq: number }>
  readonly peers: number
  readonly disk: Room
  /** Of a cluster: each server whose disk is watched. */
  readonly server_disks?: ReadonlyArray<Room & { readonly server: string }>
  /** Backups whose keys are from before an erasure. */
  readonly stale_backups?: ReadonlyArray<{ readonly folder: string; readonly host: string }>
  readonly versions: { readonly nats_server: string }
}
