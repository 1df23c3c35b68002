import { Center, Loader } from "@mantine/core"
import { useQuery } from "@tanstack/react-query"
import { lazy, Suspense, useEffect } from "react"
import { healthOf, openOperatorSession, openOwnerSession } from "../../sdk/typescript/owner/index.ts"
import { takeCode } from "../navigation/route.ts"
import { Failure } from "../parts/Failure.tsx"
import { Locked } from "./Locked.tsx"
import { enter, useToken } from "./session.ts"

const LocalApp = lazy(() => import("../local/LocalApp.tsx"))
const HostedApp = lazy(() => import("../hosted/HostedApp.tsx"))

const Waiting = () => <Center h="100%"><Loader aria-label="Loading" /></Center>

/** A code in the address is used once, before anything else; a second one may come while the page is open. */
const code = takeCode()

const useEntry = (side: string | undefined) => useQuery({
  queryKey: ["entry", code ?? ""],
  queryFn: async () => {
    if (code === undefined) return null
    enter((await (side === "hosted" ? openOperatorSession : openOwnerSession)({ url: location.origin }, code)).token)
    return code
  },
  enabled: side !== undefined,
  staleTime: Infinity,
  retry: false
})

/** Which side this page was served by, whether the person may come in, and the app of that side. */
export const Gate = () => {
  const token = useToken()
  const health = useQuery({ queryKey: ["health"], queryFn: () => healthOf({ url: location.origin }), staleTime: Infinity })
  const type = health.data?.backend_type
  const entry = useEntry(type)
  useEffect(() => {
    if (type !== undefined) document.title = type === "hosted" ? "Maestra Sync, hosted" : "Maestra Sync"
  }, [type])
  if (health.isError) return <Failure error={health.error} again={() => void health.refetch()} whole />
  if (health.data === undefined || (entry.isPending && code !== undefined)) return <Waiting />
  if (token === null) return <Locked side={health.data.backend_type} problem={entry.error} />
  return <Suspense fallback={<Waiting />}>{type === "hosted" ? <HostedApp /> : <LocalApp />}</Suspense>
}
