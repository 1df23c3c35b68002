import { defaultPlatform } from "../platform.ts"
import { call } from "../http.ts"
import { type Access, requestsTo } from "./Requests.ts"

/** A bearer for a page, which may what the local token may. */
export interface OwnerSession {
  readonly token: string
  readonly expires_at: string
}

/** By the one-time code in the fragment of the address that `maestra local open` prints. Good for eight hours. */
export const openOwnerSession = async ({ fetch: fetching = defaultPlatform.fetch, url }: Omit<Access, "token">, code: string): Promise<OwnerSession> =>
  await call(fetching, `${url}/owner-sessions`, { method: "POST", body: JSON.stringify({ code }) }) as OwnerSession

/** The next one, before this one's eight hours are over. */
export const renewOwnerSession = (access: Access): Promise<OwnerSession> => requestsTo(access)("POST", "/owner-sessions/renew")

/** A one-time code for a companion of this machine: a phone's app, an extension. */
export const companionCode = (access: Access): Promise<{ readonly code: string; readonly url: string; readonly expires_at: string }> => requestsTo(access)("POST", "/companion-codes", { body: {} })
