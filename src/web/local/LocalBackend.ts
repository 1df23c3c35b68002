import { createContext, useContext } from "react"
import { type Access, companionCode, endOwnerSession, type LocalBackend, localBackend, renewOwnerSession, type Upkeep, upkeepOf } from "../../sdk/typescript/owner/index.ts"
import { heldToken } from "../access/session.ts"

/** Where what is written here was written. */
const surface = "web"

/** The backend that served this page, as the person at its machine. */
export interface Here extends LocalBackend, Pick<Upkeep, "archiveStream"> {
  readonly companionCode: () => ReturnType<typeof companionCode>
  readonly renew: () => ReturnType<typeof renewOwnerSession>
  readonly end: () => ReturnType<typeof endOwnerSession>
}

export const here = (): Here => {
  const access: Access = { url: location.origin, get token() { return heldToken() } }
  return { ...localBackend(access, surface), ...upkeepOf(access, { surface }), companionCode: () => companionCode(access), renew: () => renewOwnerSession(access), end: () => endOwnerSession(access) }
}

export const HereContext = createContext<Here | undefined>(undefined)

export const useLocal = (): Here => {
  const backend = useContext(HereContext)
  if (backend === undefined) throw new Error("this screen stands outside the local app")
  return backend
}
