import { SegmentedControl } from "@mantine/core"
import { IconChartLine } from "@tabler/icons-react"
import { useQuery } from "@tanstack/react-query"
import { useState } from "react"
import { nowMillis } from "../../live/time.ts"
import { Asked } from "../../parts/Asked.tsx"
import { Bars } from "../../parts/Bars.tsx"
import { Empty } from "../../parts/Empty.tsx"
import { GroupTable } from "../../parts/GroupTable.tsx"
import { barsOf, costOf, countOf, groupsOf, millisOf, sinceOf, spans } from "../../parts/hours.ts"
import { Figure, Figures, Page, Section } from "../../parts/Page.tsx"
import { readHours } from "../../parts/readHours.ts"
import { useLocal } from "../LocalBackend.ts"

/** What this machine counted: asks, syncs, latency, tokens and what they cost. */
const Telemetry = () => {
  const backend = useLocal()
  const [name, setName] = useState(spans[0]!.name)
  const span = spans.find((each) => each.name === name) ?? spans[0]!
  const asked = useQuery({
    queryKey: ["hours", name],
    queryFn: async () => {
      const now = nowMillis()
      return { now, rows: await readHours(backend, sinceOf(span, now)) }
    },
    refetchInterval: 15_000
  })
  return (
    <Page title="Telemetry" line="Counted on this machine. Never what was said, only that and how long." actions={<SegmentedControl aria-label="Time span" value={name} onChange={setName} data={spans.map((each) => each.name)} />}>
      <Asked of={asked} height={320}>
        {({ now, rows }) => rows.length === 0
          ? <Empty icon={<IconChartLine size={28} stroke={1.5} />} title="Nothing counted yet">Syncing and asking the advisor fill this, and so does <code>npx maestra telemetry emit</code>.</Empty>
          : <Counted rows={rows} now={now} span={span} />}
      </Asked>
    </Page>
  )
}
export default Telemetry

type Rows = Awaited<ReturnType<typeof readHours>>

const Counted = ({ now, rows, span }: { readonly rows: Rows; readonly now: number; readonly span: typeof spans[number] }) => {
  const sum = (valueOf: (row: Rows[number]) => number) => rows.reduce((all, row) => all + valueOf(row), 0)
  const cost = sum((row) => row.cost_usd)
  const latency = groupsOf(rows, () => "all")[0]?.latency ?? null
  return (
    <>
      <Figures>
        <Figure label="Events" value={countOf(sum((row) => row.events))} />
        <Figure label="Mean latency" value={millisOf(latency)} />
        <Figure label="Tokens" value={countOf(sum((row) => row.tokens_used))} />
        <Figure label="Cost" value={costOf(cost)} />
      </Figures>
      <Section title="Over time">
        <Bars title="Events" unit={countOf} bars={barsOf(rows, span, now, (row) => row.events)} />
        {cost === 0 ? null : <Bars title="Cost" unit={costOf} bars={barsOf(rows, span, now, (row) => row.cost_usd)} />}
      </Section>
      <Section title="By type"><GroupTable head="Type" groups={groupsOf(rows, (row) => row.event_type)} /></Section>
      <Section title="By model"><GroupTable head="Model" groups={groupsOf(rows, (row) => row.model)} none="No model was asked in this time." /></Section>
    </>
  )
}
