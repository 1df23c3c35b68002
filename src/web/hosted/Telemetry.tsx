import { SegmentedControl } from "@mantine/core"
import { useState } from "react"
import type { Dashboard, Figures as Sums } from "../../sdk/typescript/owner/index.ts"
import { nowMillis } from "../live/time.ts"
import { Bars } from "../parts/Bars.tsx"
import { GroupTable } from "../parts/GroupTable.tsx"
import { barsOver, costOf, countOf, meansOver, millisOf, type Span, spans } from "../parts/hours.ts"
import { Figure, Figures, Page, Section } from "../parts/Page.tsx"
import { Asked } from "../parts/Asked.tsx"
import { useAsked } from "./Operated.ts"

/** What all devices count together. */
export const Telemetry = () => {
  const [name, setName] = useState(spans[0]!.name)
  const span = spans.find((each) => each.name === name) ?? spans[0]!
  const asked = useAsked(["dashboard", span.hours], (backend) => backend.dashboard(span.hours))
  return (
    <Page title="Telemetry" wide actions={<SegmentedControl aria-label="Time span" value={name} onChange={setName} data={spans.map((each) => each.name)} />}>
      <Asked of={asked}>{(board) => <Board board={board} span={span} />}</Asked>
    </Page>
  )
}

const groupOf = (name: string, { cost_usd, events, latency_ms, tokens_used }: Sums) => ({ name, events, latency: latency_ms, tokens: tokens_used, cost: cost_usd })

const Board = ({ board, span }: { readonly board: Dashboard; readonly span: Span }) => {
  const peers = useAsked(["peers"], (backend) => backend.peers()).data ?? []
  const nameOf = (peer: string): string => {
    const user = peers.find(({ peer_id }) => peer_id === peer)?.user_id
    return user === undefined || user === "" ? peer : `${user} · ${peer}`
  }
  const bars = (valueOf: (sums: Sums) => number) => barsOver(board.by_hour.map((row) => [row.hour, valueOf(row)] as const), span, nowMillis())
  return (
    <>
      <Figures>
        <Figure label="Devices online" value={`${board.online_peers} of ${board.total_peers}`} />
        <Figure label="Events, 24 hours" value={countOf(board.total_events_24h)} />
        <Figure label="Mean latency, 24 hours" value={millisOf(board.avg_latency_ms)} />
        <Figure label="Cost, 24 hours" value={costOf(board.total_cost_24h)} />
      </Figures>
      <Section title="Over time">
        <Bars title="Events" unit={countOf} bars={bars(({ events }) => events)} />
        <Bars title="Mean latency" unit={millisOf} bars={meansOver(board.by_hour.flatMap(({ events, hour, latency_ms }) => latency_ms === null ? [] : [[hour, latency_ms, events] as const]), span, nowMillis())} />
        <Bars title="Cost" unit={costOf} bars={bars(({ cost_usd }) => cost_usd)} />
      </Section>
      <Section title="By device"><GroupTable head="Device" groups={board.by_peer.map((row) => groupOf(nameOf(row.peer_id), row))} /></Section>
      <Section title="By model"><GroupTable head="Model" groups={board.by_model.filter(({ model }) => model !== null).map((row) => groupOf(row.model ?? "", row))} none="No model was asked in this time." /></Section>
      <Section title="By type"><GroupTable head="Type" groups={board.by_type.map((row) => groupOf(row.event_type, row))} /></Section>
    </>
  )
}
