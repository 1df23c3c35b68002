import { IconBellCheck } from "@tabler/icons-react"
import type { Alert, Silence } from "../../sdk/typescript/owner/index.ts"
import { wholeTime } from "../live/time.ts"
import { hrefOf } from "../navigation/route.ts"
import { Ago } from "../parts/Ago.tsx"
import { Empty } from "../parts/Empty.tsx"
import { Note } from "../parts/Note.tsx"
import { Page, Section } from "../parts/Page.tsx"
import { Said } from "../parts/Said.tsx"
import { Asked } from "../parts/Asked.tsx"
import { EndSilence, SilenceAlert } from "./Silencing.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

/** What needs somebody, with what to do; who is not told; and what has passed. */
export const Alerts = () => {
  const asked = useAsked(["alerts"], (backend) => backend.alerts())
  return (
    <Page title="Alerts">
      <Asked of={asked}>
        {({ alerts, silences }) => {
          const firing = alerts.filter(({ status }) => status === "firing")
          return (
            <>
              {firing.length === 0 ? <Empty icon={<IconBellCheck size={28} stroke={1.5} />} title="Nothing needs you">Alerts appear here with what to do, and go when it is done.</Empty> : null}
              {firing.map((alert) => <Firing key={alert.id} alert={alert} />)}
              {silences.length === 0 ? null : <Silent silences={silences} />}
              <Section title="Resolved"><Rows label="Resolved" heads={["Alert", "About", "Resolved"]} none="None lately." rows={alerts.filter(({ status }) => status === "resolved").map((alert) => [alert.id, [alert.summary, alert.subject, alert.resolved_at === null ? "" : <Ago key="at" at={alert.resolved_at} />]])} /></Section>
            </>
          )
        }}
      </Asked>
    </Page>
  )
}

export const Firing = ({ alert }: { readonly alert: Alert }) => (
  <Note tone={alert.severity === "critical" ? "alarm" : "warm"} title={alert.summary} aside={alert.silenced_until === null ? <SilenceAlert alert={alert} /> : undefined}>
    <Said text={alert.todo} />
    <br />
    <small><About subject={alert.subject} /> · raised <Ago at={alert.raised_at} />{alert.silenced_until === null ? "" : ` · silent until ${wholeTime(alert.silenced_until)}`}</small>
  </Note>
)

/** A device has a page of its own; a person's log and this backend have none. */
const About = ({ subject }: { readonly subject: string }) =>
  subject === "hosted" ? <>This backend</> : subject.startsWith("peer_") ? <a href={hrefOf("peers", subject)}>{subject}</a> : <>{subject}</>

const Silent = ({ silences }: { readonly silences: ReadonlyArray<Silence> }) => (
  <Section title="Silent" line="Nobody is told of these. They are listed all the same.">
    <Rows
      label="Silent" heads={["Alerts", "About", "Until", ""]} none="None."
      rows={silences.map((silence) => [`${silence.kind} ${silence.subject}`, [silence.kind ?? "Of any kind", silence.subject ?? "anything", wholeTime(silence.until), <EndSilence key="end" silence={silence} />]])} />
  </Section>
)
