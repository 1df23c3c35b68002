import { segmentOf } from "../../../../streams/paths.ts"
import { type Access, requestsTo } from "./Requests.ts"

/** A hosted backend, for its operator: with an admin token. One tenant's data is read by `conversationsOf` and `upkeepOf`, which name it. */
export interface HostedBackend {
  readonly status: () => Promise<Readonly<Record<string, unknown>>>
  readonly peers: () => Promise<ReadonlyArray<Readonly<Record<string, unknown>>>>
  /** A one-time code for one more device of a user. */
  readonly enroll: (user: string) => Promise<{ readonly code: string; readonly user_id: string; readonly tenant: string; readonly expires_at: string }>
  /** Nothing flows to or from it any more, within a second. */
  readonly revoke: (peer: string, cause?: "requested" | "lost" | "compromised") => Promise<{ readonly sentence: string }>
}

export const hostedBackend = (access: Access): HostedBackend => {
  const request = requestsTo(access)
  return {
    status: () => request("GET", "/status"),
    peers: async () => (await request<{ readonly peers: ReadonlyArray<Readonly<Record<string, unknown>>> }>("GET", "/peers")).peers,
    enroll: (user) => request("POST", "/enroll", { body: { user } }),
    revoke: (peer, cause) => request("DELETE", `/peers/${segmentOf(peer)}`, { query: { cause } })
  }
}
