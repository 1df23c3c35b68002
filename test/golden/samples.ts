import type { EventType } from "../../streams/catalog.ts"

/** One fact of each type and version ever released, small enough to read, with every optional field once. */
interface Sample {
  readonly version: number
  /** What the event is about, as its envelope says. */
  readonly subject: string
  /** `data` as that version's writer wrote it. */
  readonly data: Readonly<Record<string, unknown>>
  /** The same in today's shape, where it differs. */
  readonly today?: Readonly<Record<string, unknown>>
}

export const source = `local_sha256_${"0123456789abcdef".repeat(4)}`
export const time = "2026-11-22T10:00:00.000Z"

const conversation = "c-1"
const peer = "peer_0123456789abcdef"
const base = { lamport: 41, time: "2026-11-22T09:59:59.999Z", source }
const digest = "A".repeat(43)
const written = { message_id: "m-1", role: "user", content: "Grüße, 世界 😀 \"\\\n", timestamp: "2026-11-22T10:00:00Z" }
const proven = {
  peer_id: peer,
  identity: {
    backend_id: source,
    backend_type: "local",
    public_key: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
    wrap_key: "-----BEGIN PUBLIC KEY-----\nMIIC\n-----END PUBLIC KEY-----\n",
    capabilities: ["conversations", "telemetry"],
    version: "1.0",
    created_at: time
  },
  challenge: "0".repeat(64),
  proof: "c2ln",
  expires_at: "2026-11-22T18:00:00.000Z"
}
const one = (subject: string, data: Sample["data"]): ReadonlyArray<Sample> => [{ version: 1, subject, data }]

export const samples: Record<EventType, ReadonlyArray<Sample>> = {
  "conversation.created": one(conversation, { title: "Boats" }),
  "conversation.renamed": one(conversation, { title: "Ships" }),
  "conversation.deleted": one(conversation, {}),
  "conversation.expired": one(conversation, { before_seq: 1234 }),
  "conversation.snapshot": one(conversation, { reserved: true }),
  "message.appended": one(conversation, written),
  "message.edited": one(conversation, { ...written, content: "", base }),
  "message.deleted": one(conversation, { message_id: "m-1", base }),
  "settings.changed": one("settings", {
    sync_enabled: true,
    sync_conversations: false,
    sync_telemetry: false,
    redact_pii: true,
    retention_days: 30,
    allowed_surfaces: ["web", "cli"],
    base
  }),
  "tenant.erased": one("settings", { erased_at: time, before_seq: 1234 }),
  "peer.registered": one(peer, proven),
  "peer.renewed": one(peer, proven),
  "peer.confirmed": one(peer, { peer_id: peer, key_id: digest }),
  "peer.revoked": [
    {
      version: 1,
      subject: peer,
      data: { peer_id: peer, reason: "left on a train" },
      today: { peer_id: peer, cause: "requested", note: "left on a train" }
    },
    { version: 2, subject: peer, data: { peer_id: peer, cause: "lost", note: "left on a train" } }
  ],
  "key.rotated": one(peer, {
    peer_id: peer,
    public_key: proven.identity.public_key,
    old_key_id: digest,
    grace_ends_at: "2026-11-29T10:00:00.000Z",
    signature: "c2ln"
  })
}

/** A telemetry record; its envelope's `type` is the `event_type`. */
export const telemetry = {
  event_id: "ev-1",
  event_type: "advisor_ask",
  session_id: "sess_1",
  timestamp: "2026-11-22T10:00:00Z",
  source_backend: "local",
  metadata: { question_length: 42, nested: { ok: [true, null, "text"] } },
  latency_ms: 12.5,
  tokens_used: 100,
  cost_usd: 0.001,
  model: "m"
}
