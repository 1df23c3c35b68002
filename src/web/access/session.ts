import { useSyncExternalStore } from "react"

/** What lets this tab in. Kept for the tab alone: another page on this machine's port would be the same origin. */
const key = "maestra.token"
const listeners = new Set<() => void>()

const changed = () => {
  for (const listener of listeners) listener()
}

export const enter = (token: string): void => {
  sessionStorage.setItem(key, token)
  changed()
}

export const leave = (): void => {
  sessionStorage.removeItem(key)
  changed()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useToken = (): string | null => useSyncExternalStore(subscribe, () => sessionStorage.getItem(key))

/** The token of this moment, for each request. */
export const heldToken = (): string => sessionStorage.getItem(key) ?? ""
