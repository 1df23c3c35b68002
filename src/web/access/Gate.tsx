import { Center, Loader } from "@mantine/core"
import { type QueryClient, useQuery, useQueryClient } from "@tanstack/react-query"
import { lazy, Suspense, useEffect } from "react"
import { healthOf, openOperatorSession, openOwnerSession } from "../../sdk/typescript/owner/index.ts"
import { dropAllDrafts } from "../live/drafts.ts"
import { Failure } from "../parts/Failure.tsx"
import { type Arrival, useCode } from "./code.ts"
import { Locked } from "./Locked.tsx"
import { enter, tryAgain, useOut, useToken } from "./session.ts"

const LocalApp = lazy(() => import("../local/LocalApp.tsx"))
const HostedApp = lazy(() => import("../hosted/HostedApp.tsx"))

const Waiting = () => <Center h="100%"><Loader aria-label="Loading" /></Center>

const useEntry = (side: string | undefined, { code, nth }: Arrival) => useQuery({
  queryKey: ["entry", nth],
  queryFn: async () => {
    if (code === undefined) return null
    tryAgain()
    enter((await (side === "hosted" ? openOperatorSession : openOwnerSession)({ url: location.origin }, code)).token)
    return code
  },
  enabled: side !== undefined,
  staleTime: Infinity,
  retry: false
})

/** What was read while somebody was in. */
const forget = (queries: QueryClient) => queries.removeQueries({ predicate: ({ queryKey: [first] }) => first !== "health" && first !== "entry" })

/** Which side this page was served by, whether the person may come in, and the app of that side. */
export const Gate = () => {
  const token = useToken()
  const out = useOut()
  const arrival = useCode()
  const queries = useQueryClient()
  const health = useQuery({ queryKey: ["health"], queryFn: () => healthOf({ url: location.origin }), staleTime: Infinity })
  const type = health.data?.backend_type
  const entry = useEntry(type, arrival)
  useEffect(() => {
    if (token === null) forget(queries)
    if (out === "locked") dropAllDrafts()
  }, [token, out, queries])
  if (health.isError) return <Failure error={health.error} again={() => void health.refetch()} whole />
  if (health.data === undefined || (entry.isPending && arrival.code !== undefined)) return <Waiting />
  if (token === null) return <Locked side={health.data.backend_type} out={out} problem={entry.error} />
  return <Suspense fallback={<Waiting />}>{type === "hosted" ? <HostedApp /> : <LocalApp />}</Suspense>
}
