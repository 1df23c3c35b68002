import { segmentOf } from "../../../../streams/paths.ts"
import type { Erased, Health, LocalPeer, LocalStatus, Page, PrivacySettings, Rotated, TelemetryHour } from "./answers.ts"
import { type Conversations, conversationsOf } from "./conversations.ts"
import { type Listening, listen } from "./events.ts"
import type { Alert, Silence } from "./observed.ts"
import { type Access, type Request, requestsTo } from "./Requests.ts"

interface Said {
  readonly sentence: string
}

/** A local backend, for the person it belongs to. */
export interface LocalBackend {
  readonly conversations: Conversations
  readonly status: () => Promise<LocalStatus>
  readonly peers: () => Promise<ReadonlyArray<LocalPeer>>
  readonly confirm: (peer: string) => Promise<Said>
  readonly pause: () => Promise<Said>
  readonly resume: () => Promise<Said>
  readonly resync: () => Promise<Said>
  readonly pair: (code: string) => Promise<{ readonly status: string; readonly peer_id: string }>
  readonly unpair: () => Promise<Said>
  readonly privacy: () => Promise<PrivacySettings>
  readonly changePrivacy: (change: Partial<PrivacySettings>) => Promise<PrivacySettings>
  /** Everything of this person, at hosted, here, and on other devices as they hear of it. It cannot be undone. */
  readonly erase: () => Promise<Erased>
  /** New keys for this machine, signed for by the old ones. */
  readonly rotateKeys: () => Promise<Rotated>
  /** Figures by the hour, from an ISO time on; `cursor` is the last answer's `next`. */
  readonly telemetryHours: (since: string, cursor?: string) => Promise<Page<TelemetryHour>>
  readonly debug: () => Promise<Readonly<Record<string, unknown>>>
  /** What is wrong with this machine, those that fire first, and of what nobody is told. */
  readonly alerts: () => Promise<{ readonly alerts: ReadonlyArray<Alert>; readonly silences: ReadonlyArray<Silence> }>
  readonly listen: (listening: Listening) => Promise<void>
}

/** Hosted purges its log and writes its tables anew before it answers. */
const erasureMillis = 600_000

/** `surface`: where the person types. */
export const localBackend = (access: Access, surface: string): LocalBackend => {
  const request = requestsTo(access)
  return {
    conversations: conversationsOf(request, { surface }),
    status: () => request("GET", "/status"),
    peers: async () => (await request<{ readonly peers: ReadonlyArray<LocalPeer> }>("GET", "/peers")).peers,
    confirm: (peer) => request("POST", `/peers/${segmentOf(peer)}/confirm`),
    pause: () => request("POST", "/pause"),
    resume: () => request("POST", "/resume"),
    resync: () => request("POST", "/resync", { body: {} }),
    pair: (code) => request("POST", "/pair", { body: { code } }),
    unpair: () => request("POST", "/unpair"),
    privacy: () => request("GET", "/privacy-settings"),
    changePrivacy: (change) => request("PUT", "/privacy-settings", { body: change }),
    erase: () => request("DELETE", "/privacy/data", { patienceMillis: erasureMillis }),
    rotateKeys: () => request("POST", "/keys/rotate", { body: {} }),
    telemetryHours: (since, cursor) => hoursOf(request, { since, cursor }),
    debug: () => request("GET", "/debug"),
    alerts: () => request("GET", "/alerts"),
    listen: (listening) => listen(access, listening)
  }
}

/** More hours than a person looks at; the rest is behind the cursor. */
const hoursMax = 500

const hoursOf = async (request: Request, query: Readonly<Record<string, string | undefined>>): Promise<Page<TelemetryHour>> => {
  const { hours, next_cursor } = await request<{ readonly hours: ReadonlyArray<TelemetryHour>; readonly next_cursor: string | null }>("GET", "/telemetry/rollups", { query: { ...query, limit: hoursMax } })
  return { items: hours, next: next_cursor }
}

/** Who answers at a URL: `backend_type` says which side it is. Anybody may ask. */
export const healthOf = (access: Omit<Access, "token">): Promise<Health> => requestsTo({ ...access, token: "" })("GET", "/health")
