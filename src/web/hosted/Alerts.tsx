import { IconBellCheck } from "@tabler/icons-react"
import { Ago } from "../parts/Ago.tsx"
import { Empty } from "../parts/Empty.tsx"
import { Note } from "../parts/Note.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Asked } from "./Asked.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

/** What needs somebody, with what to do; and what has passed. */
export const Alerts = () => {
  const asked = useAsked(["alerts"], (backend) => backend.alerts())
  return (
    <Page title="Alerts">
      <Asked of={asked}>
        {(alerts) => {
          const firing = alerts.filter(({ status }) => status === "firing")
          return (
            <>
              {firing.length === 0 ? <Empty icon={<IconBellCheck size={28} stroke={1.5} />} title="Nothing needs you">Alerts appear here with what to do, and go when it is done.</Empty> : null}
              {firing.map((alert) => <Note key={alert.id} tone={alert.severity === "critical" ? "alarm" : "warm"} title={alert.summary}>{alert.todo} <small>{alert.subject}, since <Ago at={alert.raised_at} /></small></Note>)}
              <Section title="Resolved"><Rows label="Resolved" heads={["Alert", "About", "Resolved"]} none="None lately." rows={alerts.filter(({ status }) => status === "resolved").map((alert) => [alert.id, [alert.summary, alert.subject, alert.resolved_at === null ? "" : <Ago key="at" at={alert.resolved_at} />]])} /></Section>
            </>
          )
        }}
      </Asked>
    </Page>
  )
}
