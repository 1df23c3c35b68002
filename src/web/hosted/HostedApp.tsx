import { IconBell, IconChartLine, IconDevices, IconFileText, IconServer } from "@tabler/icons-react"
import { useQueryClient } from "@tanstack/react-query"
import { useEffect, useMemo, useState } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { shutOut } from "../access/session.ts"
import { useRoute } from "../navigation/route.ts"
import { Catch } from "../parts/Catch.tsx"
import { sentenceOf } from "../parts/Said.tsx"
import { type Place, Shell } from "../shell/Shell.tsx"
import { StatePill } from "../shell/StatePill.tsx"
import { Unreachable } from "../shell/Unreachable.tsx"
import { Alerts } from "./Alerts.tsx"
import { Audit } from "./Audit.tsx"
import { followChanges, Operated, operated, useAsked, useHosted } from "./Operated.ts"
import { Peer } from "./Peer.tsx"
import { Peers } from "./Peers.tsx"
import { Streams } from "./Streams.tsx"
import { Telemetry } from "./Telemetry.tsx"

/** Everything an operator looks at on a hosted backend. */
const HostedApp = () => {
  const backend = useMemo(operated, [])
  const queries = useQueryClient()
  const [live, setLive] = useState(true)
  useEffect(() => followChanges(backend, queries, setLive), [backend, queries])
  return <Operated value={backend}><Screens live={live} /></Operated>
}
export default HostedApp

const Screens = ({ live }: { readonly live: boolean }) => {
  const [at = "telemetry", peer] = useRoute()
  const { end } = useHosted()
  const alerts = useAsked(["alerts"], (backend) => backend.alerts())
  const status = useAsked(["status"], (backend) => backend.status())
  const refused = status.error instanceof MaestraError && status.error.status === 401
  useEffect(() => {
    if (refused) shutOut()
  }, [refused])
  const gone = !live && status.error instanceof MaestraError && status.error.kind === "unreachable"
  const firing = (alerts.data?.alerts ?? []).filter(({ status: state }) => state === "firing")
  const critical = firing.some(({ severity }) => severity === "critical")
  const state = status.data === undefined || gone
    ? <StatePill mood="waiting" word={status.isError ? "No answer" : "Asking"} line={gone ? "What you see was read before" : status.error?.message ?? "How it goes"} to="streams" />
    : firing.length > 0
    ? <StatePill mood={critical ? "alarm" : "waiting"} word={firing.length === 1 ? "One alert" : `${firing.length} alerts`} line={sentenceOf(firing[0]!.summary)} to="alerts" />
    : <StatePill mood="well" word="All well" line={`${counted(status.data.peers, "device", "devices")}, ${counted(status.data.tenants.length, "person", "people")}`} to="peers" />
  return (
    <Shell name="Maestra Sync, hosted" places={placesOf(firing.length)} at={at} state={state} end={end} banner={gone ? <Unreachable side="hosted" /> : null}>
      <Catch key={`${at} ${peer ?? ""}`}>{screenAt(at, peer)}</Catch>
    </Shell>
  )
}

const counted = (n: number, one: string, many: string): string => `${n.toLocaleString("en")} ${n === 1 ? one : many}`

const placesOf = (firing: number): ReadonlyArray<Place> => [
  { path: "telemetry", label: "Telemetry", icon: IconChartLine },
  { path: "peers", label: "Peers", icon: IconDevices },
  { path: "alerts", label: "Alerts", icon: IconBell, count: firing },
  { path: "audit", label: "Audit", icon: IconFileText },
  { path: "streams", label: "Streams", icon: IconServer }
]

const screenAt = (at: string, peer: string | undefined) => {
  switch (at) {
    case "peers": return peer === undefined ? <Peers /> : <Peer id={peer} />
    case "alerts": return <Alerts />
    case "audit": return <Audit />
    case "streams": return <Streams />
    default: return <Telemetry />
  }
}
