import type { QueryClient } from "@tanstack/react-query"
import { keepSession } from "../access/keepSession.ts"
import { pause } from "../live/time.ts"
import type { ConversationIndex } from "./conversations/ConversationIndex.ts"
import type { Here } from "./LocalBackend.ts"

/** Events of one moment change the screen once, this long after the first. */
const gatherMillis = 50
/** An event is told before it is in the tables; they are asked this often whether they have it, and so many times. */
const tables = { askEveryMillis: 60, asksMax: 100 }

/** What has to be read again when an event of that type arrives, by the beginning of the type. */
const concerned: ReadonlyArray<readonly [prefix: string, keys: ReadonlyArray<string>]> = [
  ["message.", ["conversation", "history", "conflicts", "search"]],
  ["conversation.", ["conversation", "conflicts", "search"]],
  ["settings.", ["privacy"]],
  ["peer.", ["peers"]],
  ["key.", ["peers"]]
]

interface Following {
  readonly index: ConversationIndex
  readonly queries: QueryClient
  readonly onLive: (live: boolean) => void
  /** The token does not hold any more. */
  readonly onShut: () => void
}

/** Keeps everything on screen as it is at the backend, from now on. Returns how to stop. */
export const followEvents = (backend: Here, { index, onLive, onShut, queries }: Following): () => void => {
  const end = new AbortController()
  let types: Array<string> = []
  let told = 0
  const gather = async () => {
    await pause(gatherMillis, end.signal)
    await tablesHold(backend, () => told, end.signal)
    const seen = types
    types = []
    const keys = new Set(concerned.flatMap(([prefix, names]) => seen.some((type) => type.startsWith(prefix)) ? names : []))
    for (const key of keys) void queries.invalidateQueries({ queryKey: [key] })
    await index.refresh(seen)
  }
  let wasLost = false
  void backend.listen({
    signal: end.signal,
    onEvent: ({ id, type }) => {
      types.push(type)
      told = Math.max(told, logPlaceOf(id))
      if (types.length === 1) void gather()
    },
    onLive: (live) => {
      if (end.signal.aborted) return
      onLive(live)
      // what stands on other screens may be old by now
      if (live && wasLost) void queries.invalidateQueries().then(() => index.load())
      wasLost ||= !live
    }
  }).then(() => end.signal.aborted ? undefined : onShut())
  void keepSession(backend.renew, end.signal)
  return () => end.abort()
}

/** Cursors here are `<journal>.<log>`. What was written here is in the tables before it is told. */
const logPlaceOf = (cursor: string): number => Number(cursor.split(".")[1] ?? 0)

const tablesHold = async (backend: Here, place: () => number, signal: AbortSignal) => {
  for (let asks = 0; asks < tables.asksMax && !signal.aborted; asks++) {
    const { mirror_seq } = await backend.status().catch(() => ({ mirror_seq: 0 }))
    if (mirror_seq >= place()) return
    await pause(tables.askEveryMillis, signal)
  }
}
