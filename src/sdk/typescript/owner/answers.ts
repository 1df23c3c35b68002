/** What backends answer to whoever owns or operates them, field by field as on the wire (`/openapi.json`). */

export type Tier = "local" | "hosted" | "everywhere"

export interface Message {
  readonly id: string
  readonly role: string
  readonly content: string
  readonly timestamp: string
  readonly surface: string
  readonly source_backend: string
  readonly source_backend_id: string
  readonly version: number
  readonly tier: Tier
  /** What others see, where redaction made it different. */
  readonly shared?: { readonly content: string }
  readonly conflicted?: true
  /** Why it stays on the machine it was written on: `surface` (a privacy setting), `expired` (retention), or what hosted has against it. */
  readonly withheld?: string
}

export interface ConversationSummary {
  readonly conversation_id: string
  readonly title: string | null
  readonly version: number
  readonly message_count: number
  readonly last_modified: string
  readonly source_backend: string
  readonly source_backend_id: string
  readonly surfaces: ReadonlyArray<string>
  readonly shared?: { readonly title: string }
}

export interface Conversation extends ConversationSummary {
  readonly messages: ReadonlyArray<Message>
}

/** What shows and says what was searched for. `message_id` null: the conversation's title does. */
export interface Hit {
  readonly conversation_id: string
  readonly title: string | null
  readonly message_id: string | null
  readonly role: string | null
  readonly timestamp: string
  readonly excerpt: string
  /** Where in the excerpt the words are, `[from, to)` in UTF-16 units. */
  readonly marks: ReadonlyArray<readonly [number, number]>
}

export interface Stamp {
  readonly lamport: number
  readonly time: string
  readonly source: string
}

/** One write to a message, shown or not. */
export interface Write {
  readonly event_id: string
  readonly stamp: Stamp
  readonly type: string
  readonly role: string | null
  readonly content: string | null
  readonly timestamp: string | null
  readonly surface: string
  readonly source_backend: string
  readonly source_backend_id: string
  readonly base: Stamp | null
  readonly current: boolean
  readonly log_seq: number | null
  readonly shared?: { readonly content: string }
  /** Why it stays on the machine that made it. */
  readonly withheld?: string
}

export interface Conflict {
  readonly conversation_id: string
  readonly message_id: string
  readonly shown: Write
  readonly losing: ReadonlyArray<Write>
}

export interface Health {
  readonly status: "ok"
  readonly backend_id: string
  readonly backend_type: string
  readonly version: string
}

export interface DiskRoom {
  readonly state: "ok" | "low" | "full"
  readonly free_bytes: number | null
}

/** `sentence` is for people; the figures behind it follow. */
export interface LocalStatus {
  readonly state: "in_step" | "sending" | "receiving" | "offline" | "paused" | "needs_you" | "not_paired"
  readonly sentence: string
  readonly backend_id: string
  readonly peer_id: string | null
  readonly hosted_url: string | null
  readonly paused: boolean
  readonly offline_since: string | null
  /** When the hosted side last said how far it is, where it does not answer any more although the link is up. */
  readonly silent_since: string | null
  readonly pending: number
  /** The privacy setting that keeps back what waits to be sent. */
  readonly held_by: string | null
  readonly behind: number
  readonly journal_seq: number
  readonly relayed_seq: number
  readonly mirror_seq: number
  readonly tenant_last_seq: number | null
  readonly log_epoch: number | null
  readonly last_sync: string | null
  readonly registration_expires_at: string | null
  readonly conversations: number
  readonly messages: number
  readonly conflicts: number
  readonly quarantined: number
  readonly set_aside: number
  readonly needs: string | null
  readonly disk: DiskRoom
  readonly versions: { readonly maestra: string; readonly nats_server: string }
}

/** A peer as a local backend knows it. */
export interface LocalPeer {
  readonly peer_id: string
  readonly backend_id: string
  readonly backend_type: string
  readonly status: "registered" | "revoked"
  readonly key_id: string
  readonly registered_at: string
  /** A paired device has vouched for it. */
  readonly confirmed: boolean
  readonly revoked: { readonly at: string; readonly cause: string } | null
  readonly last_seen: string | null
  readonly log_seq: number | null
  readonly expires_at: string | null
}

export interface PrivacySettings {
  /** The person's name at the hosted side; `null` on a machine that is not paired. */
  readonly user_id: string | null
  readonly sync_enabled: boolean
  readonly sync_conversations: boolean
  readonly sync_telemetry: boolean
  readonly redact_pii: boolean
  readonly retention_days: number
  /** `null`: every surface. */
  readonly allowed_surfaces: ReadonlyArray<string> | null
  /** Whose national telephone numbers are redacted too, `DE` for example. */
  readonly default_region: string | null
  /** What retention removes from hosted stays on the machine it was written on. */
  readonly keep_own_copies: boolean
}

/** What an erasure did, and what is still to come. `tenant` null: of a machine that belonged to nobody. */
export interface Erased {
  readonly tenant: string | null
  readonly erased_at: string
  readonly messages: number
  readonly keys_destroyed: boolean
  readonly devices: ReadonlyArray<{ readonly peer_id: string; readonly backend_id: string; readonly reached: boolean }>
  /** What the operator still has to do. */
  readonly to_do: string | null
}

/** `pending`: the new keys are made and kept, and are in force once hosted could be asked. */
export interface Rotated {
  readonly status: "rotated" | "pending"
  readonly which: string
  readonly key_id: string
  readonly previous_key_id: string
  readonly grace_ends_at: string | null
  readonly sentence: string
}

export interface TelemetryHour {
  /** `YYYY-MM-DDTHH`, UTC. */
  readonly hour: string
  readonly event_type: string
  readonly model: string | null
  readonly peer_id: string
  readonly events: number
  readonly latency_ms_mean: number | null
  readonly latency_ms_max: number | null
  readonly tokens_used: number
  readonly cost_usd: number
  /** Whose, where an operator asked about everybody. */
  readonly tenant?: string
}

export interface StoredTelemetry {
  readonly event_id: string
  readonly event_type: string
  readonly session_id: string
  readonly timestamp: string
  readonly source_backend: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly latency_ms?: number
  readonly tokens_used?: number
  readonly cost_usd?: number
  readonly model?: string
  readonly peer_id: string
  readonly stored_at: string
  readonly seq: number
  /** Whose, where an operator asked about everybody. */
  readonly tenant?: string
}

export interface Advice {
  readonly conversation_id: string
  readonly question_id: string
  readonly answer_id: string
  readonly content: string
  readonly model: string
  readonly latency_ms: number
  readonly tokens_used?: number
  readonly cost_usd?: number
}

export interface Imported {
  readonly conversations: number
  readonly messages: number
  readonly events: number
  readonly unchanged: number
  readonly invalid: ReadonlyArray<{ readonly line: number; readonly why: string }>
}

/** A line of a long piece of work; the last one has `done: true`. */
export interface Progress {
  readonly done: boolean
  readonly at: number
  readonly of: number
  readonly result?: Readonly<Record<string, unknown>>
}

/** A long answer's part, and where the next one begins. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  readonly next: string | null
}

/** An event of `/events`; `id` resumes right after it. */
export interface Heard {
  readonly id: string
  readonly type: string
  /** The conversation, the peer, or `settings`. */
  readonly subject: string
}
