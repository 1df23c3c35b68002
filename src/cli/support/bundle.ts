import { createHmac } from "node:crypto"

/** What becomes of a field: kept as it is; an id, hashed; a text in which ids are hashed; a part, or a list of parts. Others are left out. */
export type Allowed = "keep" | "id" | "text" | { readonly [field: string]: Allowed }

const queued: Allowed = { seq: "keep", event_id: "id", type: "keep", time: "keep", bytes: "keep" }
const noted: Allowed = { at: "keep", what: "text" }
const check: Allowed = { level: "keep", name: "text" }

/** Everything a support bundle may hold. What is not here, nobody sees: content, names, addresses, paths, keys. */
export const allowed = {
  made_at: "keep",
  versions: { maestra: "keep", node: "keep", platform: "keep", arch: "keep", nats_server: "keep" },
  doctor: check,
  sides: {
    side: "keep",
    error: "text",
    status: {
      state: "keep", sentence: "text", backend_id: "id", peer_id: "id", paused: "keep", offline_since: "keep", silent_since: "keep", pending: "keep", held_by: "keep", behind: "keep", journal_seq: "keep", relayed_seq: "keep", mirror_seq: "keep",
      tenant_last_seq: "keep", log_epoch: "keep", last_sync: "keep", registration_expires_at: "keep", conversations: "keep", messages: "keep", conflicts: "keep", quarantined: "keep", set_aside: "keep", needs: "text",
      disk: { state: "keep", free_bytes: "keep" }, versions: { maestra: "keep", nats_server: "keep" }, admin_role: "keep", peers: "keep", log: { first_seq: "keep", last_seq: "keep", messages: "keep", bytes: "keep" }
    },
    peers: { peer_id: "id", backend_id: "id", last_sync: "keep", sync_lag_seconds: "keep", queue_depth: "keep", sync_success_rate: "keep", last_error: "text", total_syncs: "keep", total_events: "keep" },
    alerts: { kind: "keep", severity: "keep", status: "keep", subject: "id", value: "keep", threshold: "keep", raised_at: "keep", resolved_at: "keep" },
    checks: check,
    debug: { sbt_status: "keep", sbt_expires_in: "keep", offline_queue: queued, recent_errors: noted, network_status: { link: "keep", since: "keep", paused: "keep" }, retries: { busy: "keep", rate_limited: "keep", expired: "keep", NoResponders: "keep", RequestTimedOut: "keep" }, last_successful_sync: "keep", sync_lag: "keep", problems: { seq: "keep", what: "keep" } }
  }
} as const satisfies Allowed

/** Ids as texts hold them. */
const ids = /\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|peer_[0-9a-f]{16}|t_[a-z2-7]{16}|[a-z0-9_]+_sha256_[0-9a-f]{64}|h_[A-Za-z0-9_-]{43})\b/g
/** Addresses, paths, and anything in quotation marks. */
const places = /\b[a-z-]+:\/\/\S+|(?:\/[\w.@-]+){2,}|"[^"]*"/gi

/** The same id is the same hash within one bundle, and means nothing outside it. */
export const hashed = (salt: Uint8Array, id: string): string => `id_${createHmac("sha256", salt).update(id).digest("hex").slice(0, 12)}`

/** Only what is allowed, of a document of any shape. Pure and total. */
export const only = (document: unknown, rule: Allowed, salt: Uint8Array): unknown => {
  if (Array.isArray(document)) return document.map((part) => only(part, rule, salt))
  if (document === null || document === undefined) return document
  if (rule === "keep") return typeof document === "object" ? undefined : document
  if (rule === "id") return typeof document === "string" ? hashed(salt, document) : undefined
  if (rule === "text") return typeof document === "string" ? document.replace(places, "…").replace(ids, (id) => hashed(salt, id)) : undefined
  if (typeof document !== "object") return undefined
  return Object.fromEntries(Object.entries(rule).flatMap(([field, next]) => {
    const value = Object.hasOwn(document, field) ? only(Reflect.get(document, field), next, salt) : undefined
    return value === undefined ? [] : [[field, value]]
  }))
}
