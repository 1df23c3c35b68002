import { createContext, useContext, useSyncExternalStore } from "react"
import type { ConversationIndex, Listed } from "./ConversationIndex.ts"

export const Indexed = createContext<ConversationIndex | undefined>(undefined)

export const useIndex = (): ConversationIndex => {
  const index = useContext(Indexed)
  if (index === undefined) throw new Error("this screen stands outside the local app")
  return index
}

/** The list as it is now. */
export const useListed = (): Listed => {
  const index = useIndex()
  return useSyncExternalStore(index.subscribe, index.listed)
}
