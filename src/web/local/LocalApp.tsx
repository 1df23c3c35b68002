import { IconArrowsExchange, IconChartLine, IconDevices, IconGitMerge, IconMessages, IconShieldLock } from "@tabler/icons-react"
import { useQueryClient } from "@tanstack/react-query"
import { lazy, Suspense, useEffect, useMemo, useState } from "react"
import { MaestraError } from "../../sdk/typescript/problems.ts"
import { shutOut } from "../access/session.ts"
import { useRoute } from "../navigation/route.ts"
import { Catch } from "../parts/Catch.tsx"
import { sentenceOf } from "../parts/Said.tsx"
import { Loading } from "../parts/Loading.tsx"
import { type Place, Shell } from "../shell/Shell.tsx"
import { StatePill } from "../shell/StatePill.tsx"
import { Unreachable } from "../shell/Unreachable.tsx"
import { useAlerts } from "./alerts.ts"
import { ConversationIndex } from "./conversations/ConversationIndex.ts"
import { Conversations } from "./conversations/Conversations.tsx"
import { Indexed, useIndex } from "./conversations/indexed.ts"
import { followEvents } from "./followEvents.ts"
import { here, HereContext, useLocal } from "./LocalBackend.ts"
import { because, moodOf, useStatus } from "./status.ts"

const Conflicts = lazy(() => import("./conflicts/Conflicts.tsx"))
const Sync = lazy(() => import("./sync/Sync.tsx"))
const Devices = lazy(() => import("./devices/Devices.tsx"))
const Privacy = lazy(() => import("./privacy/Privacy.tsx"))
const Telemetry = lazy(() => import("./telemetry/Telemetry.tsx"))

/** Everything a person does with the backend on this machine. */
const LocalApp = () => {
  const queries = useQueryClient()
  const [live, setLive] = useState(true)
  const { backend, index } = useMemo(() => {
    const owner = here()
    return { backend: owner, index: new ConversationIndex(owner.conversations) }
  }, [])
  useEffect(() => {
    void index.load()
    return followEvents(backend, { index, queries, onLive: setLive, onShut: shutOut })
  }, [backend, index, queries])
  return (
    <HereContext value={backend}>
      <Indexed value={index}>
        <Screens live={live} />
      </Indexed>
    </HereContext>
  )
}
export default LocalApp

const Screens = ({ live }: { readonly live: boolean }) => {
  const [at = "conversations", id, part] = useRoute()
  const { end } = useLocal()
  const status = useStatus()
  const index = useIndex()
  // erased here or from another device: no event of it is left to tell
  const empty = status.data?.conversations === 0
  const alerts = useAlerts()
  useEffect(() => {
    if (empty && index.listed().items.length > 0) void index.load()
  }, [empty, index])
  const gone = !live && status.error instanceof MaestraError && status.error.kind === "unreachable"
  const state = status.data === undefined || gone
    ? <StatePill mood="waiting" word={status.isError ? "No answer" : "Asking"} line={gone ? "The backend on this machine is not running" : status.error?.message ?? "How it goes"} to="sync" />
    : <StatePill {...moodOf(status.data)} {...(status.data.state === "in_step" && alerts[0] !== undefined ? { mood: "waiting", line: sentenceOf(alerts[0].summary) } : { line: because(status.data) })} to="sync" />
  return (
    <Shell name="Maestra Sync" places={placesOf(status.data?.conflicts ?? 0, alerts.length)} at={at} state={state} end={end} banner={gone ? <Unreachable side="local" /> : null}>
      <Catch key={at}>
        <Suspense fallback={<Loading />}>{screenAt(at, id, part)}</Suspense>
      </Catch>
    </Shell>
  )
}

const placesOf = (conflicts: number, wrong: number): ReadonlyArray<Place> => [
  { path: "conversations", label: "Conversations", short: "Chats", icon: IconMessages },
  { path: "conflicts", label: "Conflicts", icon: IconGitMerge, count: conflicts },
  { path: "sync", label: "Sync", icon: IconArrowsExchange, count: wrong },
  { path: "devices", label: "Devices", icon: IconDevices },
  { path: "privacy", label: "Privacy", icon: IconShieldLock },
  { path: "telemetry", label: "Telemetry", icon: IconChartLine }
]

const screenAt = (at: string, id: string | undefined, part: string | undefined) => {
  switch (at) {
    case "conflicts": return <Conflicts />
    case "sync": return <Sync />
    case "devices": return <Devices />
    case "privacy": return <Privacy />
    case "telemetry": return <Telemetry />
    default: return <Conversations id={id} message={part} />
  }
}
