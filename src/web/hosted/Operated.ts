import { createContext, useContext } from "react"
import { type QueryClient, useQuery } from "@tanstack/react-query"
import { type HostedBackend, hostedBackend } from "../../sdk/typescript/owner/index.ts"
import { heldToken } from "../access/session.ts"

/** The hosted backend that served this page, as its operator. */
export const operated = (): HostedBackend => hostedBackend({ url: location.origin, get token() { return heldToken() } })

export const Operated = createContext<HostedBackend | undefined>(undefined)

export const useHosted = (): HostedBackend => {
  const backend = useContext(Operated)
  if (backend === undefined) throw new Error("this screen stands outside the hosted app")
  return backend
}

/** What time itself changes (lag, who is away, alerts) is told by no event: it is read again this often, milliseconds. */
const askEveryMillis = 10_000

/** What is read again when something moved. */
const concerned: Readonly<Record<string, ReadonlyArray<string>>> = {
  log: ["status", "peers", "metrics", "debug", "audit", "alerts"],
  telemetry: ["dashboard"]
}

/** Keeps every screen as it is at the backend while the app is open. Returns how to stop. */
export const followChanges = (backend: HostedBackend, queries: QueryClient): () => void => {
  const end = new AbortController()
  let wasLost = false
  void backend.listen({
    signal: end.signal,
    onEvent: ({ subject }) => (concerned[subject] ?? []).forEach((key) => void queries.invalidateQueries({ queryKey: ["hosted", key] })),
    onLive: (live) => {
      if (live && wasLost) void queries.invalidateQueries({ queryKey: ["hosted"] })
      wasLost ||= !live
    }
  })
  return () => end.abort()
}

/** One question to the backend, asked again while the screen is looked at. */
export const useAsked = <A>(key: ReadonlyArray<string | number>, question: (backend: HostedBackend) => Promise<A>) => {
  const backend = useHosted()
  return useQuery({ queryKey: ["hosted", ...key], queryFn: () => question(backend), refetchInterval: askEveryMillis })
}
