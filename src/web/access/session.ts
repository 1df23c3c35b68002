import { useSyncExternalStore } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"

/** What lets this tab in. Kept for the tab alone: another page on this machine's port would be the same origin. */
const key = "maestra.token"
const listeners = new Set<() => void>()

/** Why nobody is in: nobody was yet; the person locked the page, and the backend heard of it or did not; or it lets in no more what was held. */
export type Out = "new" | "locked" | "unheard" | "refused"
let out: Out = "new"

const changed = () => {
  for (const listener of listeners) listener()
}

export const enter = (token: string): void => {
  sessionStorage.setItem(key, token)
  changed()
}

/** Somebody tries to come in: what was before does not matter any more. */
export const tryAgain = (): void => {
  out = "new"
  changed()
}

const leave = (why: Out): void => {
  sessionStorage.removeItem(key)
  out = why
  changed()
}

/** The backend does not know the token, or not any more. */
export const shutOut = (): void => leave("refused")

/** The person leaves: this page forgets the token at once, and `end` has the backend forget its session. */
export const lock = async (end: () => Promise<unknown>): Promise<void> => {
  const ended = end()
  leave("locked")
  await ended.catch((cause: unknown) => {
    // a session that is not known is not one that goes on
    if (!(cause instanceof MaestraError && cause.status === 401) && heldToken() === "") leave("unheard")
  })
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useToken = (): string | null => useSyncExternalStore(subscribe, () => sessionStorage.getItem(key))

export const useOut = (): Out => useSyncExternalStore(subscribe, () => out)

/** The token of this moment, for each request. */
export const heldToken = (): string => sessionStorage.getItem(key) ?? ""
