import { defaultPlatform } from "../platform.ts"
import { call } from "../http.ts"
import { type Access, requestsTo } from "./Requests.ts"

/** A bearer for a page, which may what the local token may, or on hosted the token its code was asked for with. */
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

/** By the one-time code in the fragment of the address that `maestra hosted open` prints: a bearer for an operator's page, good for eight hours. */
export const openOperatorSession = async ({ fetch: fetching = defaultPlatform.fetch, url }: Omit<Access, "token">, code: string): Promise<OwnerSession> =>
  await call(fetching, `${url}/operator-sessions`, { method: "POST", body: JSON.stringify({ code }) }) as OwnerSession

/** Eight hours more; where the page has a token, a session in its place. */
export const renewOperatorSession = (access: Access): Promise<OwnerSession> => requestsTo(access)("POST", "/operator-sessions/renew")

/** The owner's page is locked: this session opens nothing any more at its backend. The local token is no session, and stays. */
export const endOwnerSession = (access: Access): Promise<{ readonly status: "ended" }> => requestsTo(access)("POST", "/owner-sessions/end")

/** The same for an operator's page, on every hosted process. */
export const endOperatorSession = (access: Access): Promise<{ readonly status: "ended" }> => requestsTo(access)("POST", "/operator-sessions/end")
