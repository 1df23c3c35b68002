import { useSyncExternalStore } from "react"

/** What a person began to write. */
export interface Draft {
  readonly text: string
  /** Of what it is to replace: another one by now means that somebody else wrote meanwhile. */
  readonly version?: number
}

/** By where it is written. Kept while the page is open: whoever looks at something else in between finds it again. */
const drafts = new Map<string, Draft>()
const listeners = new Set<() => void>()

const changed = () => {
  for (const listener of listeners) listener()
}

export const draftAt = (place: string): Draft | undefined => drafts.get(place)

export const setDraft = (place: string, draft: Draft): void => {
  drafts.set(place, draft)
  changed()
}

export const dropDraft = (place: string): void => {
  drafts.delete(place)
  changed()
}

export const dropAllDrafts = (): void => {
  drafts.clear()
  changed()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useDraft = (place: string): Draft | undefined => useSyncExternalStore(subscribe, () => drafts.get(place))
