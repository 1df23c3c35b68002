import { createContext, useContext } from "react"
import { useQuery } from "@tanstack/react-query"
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

/** Operators look at figures; these are read again and again while they do, milliseconds. */
const askEveryMillis = 3000

/** One question to the backend, asked again while the screen is looked at. */
export const useAsked = <A>(key: ReadonlyArray<string | number>, question: (backend: HostedBackend) => Promise<A>) => {
  const backend = useHosted()
  return useQuery({ queryKey: ["hosted", ...key], queryFn: () => question(backend), refetchInterval: askEveryMillis })
}
