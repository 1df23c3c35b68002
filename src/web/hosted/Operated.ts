import { createContext, useContext } from "react"
import { type QueryClient, useQuery } from "@tanstack/react-query"
import { type Access, type HostedBackend, endOperatorSession, hostedBackend, renewOperatorSession } from "../../sdk/typescript/owner/index.ts"
import { keepSession } from "../access/keepSession.ts"
import { heldToken } from "../access/session.ts"

/** The hosted backend that served this page, as its operator. */
export interface Hosted extends HostedBackend {
  readonly renew: () => ReturnType<typeof renewOperatorSession>
  readonly end: () => ReturnType<typeof endOperatorSession>
}

export const operated = (): Hosted => {
  const access: Access = { url: location.origin, get token() { return heldToken() } }
  return { ...hostedBackend(access), renew: () => renewOperatorSession(access), end: () => endOperatorSession(access) }
}

export const Operated = createContext<Hosted | undefined>(undefined)

export const useHosted = (): Hosted => {
  const backend = useContext(Operated)
  if (backend === undefined) throw new Error("this screen stands outside the hosted app")
  return backend
}

/** What no event tells (the room on the disk, when a session ends) is read again this often, milliseconds. */
const askEveryMillis = 60_000

/** What is read again when something moved. */
const concerned: Readonly<Record<string, ReadonlyArray<string>>> = {
  log: ["status", "peers", "metrics", "debug", "audit"],
  telemetry: ["dashboard"],
  alerts: ["alerts"],
  peers: ["peers", "metrics", "debug", "dashboard"]
}

/** Keeps every screen as it is at the backend while the app is open. Returns how to stop. */
export const followChanges = (backend: Hosted, queries: QueryClient, onLive: (live: boolean) => void): () => void => {
  const end = new AbortController()
  let wasLost = false
  void backend.listen({
    signal: end.signal,
    onEvent: ({ subject }) => (concerned[subject] ?? []).forEach((key) => void queries.invalidateQueries({ queryKey: ["hosted", key] })),
    onLive: (live) => {
      if (end.signal.aborted) return
      onLive(live)
      // whether it is there at all
      if (!live) void queries.invalidateQueries({ queryKey: ["hosted", "status"] })
      if (live && wasLost) void queries.invalidateQueries({ queryKey: ["hosted"] })
      wasLost ||= !live
    }
  })
  void keepSession(backend.renew, end.signal)
  return () => end.abort()
}

/** One question to the backend, asked again while the screen is looked at. */
export const useAsked = <A>(key: ReadonlyArray<string | number>, question: (backend: HostedBackend) => Promise<A>) => {
  const backend = useHosted()
  return useQuery({ queryKey: ["hosted", ...key], queryFn: () => question(backend), refetchInterval: askEveryMillis })
}
