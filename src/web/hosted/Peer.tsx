import { nowMillis, wholeTime } from "../live/time.ts"
import { hrefOf } from "../navigation/route.ts"
import { Ago } from "../parts/Ago.tsx"
import { Figure, Figures, Page, Section } from "../parts/Page.tsx"
import { Asked } from "../parts/Asked.tsx"
import { sentenceOf } from "../parts/Said.tsx"
import { Firing } from "./Alerts.tsx"
import { Lag } from "./Lag.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

const timePattern = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/
/** Times in words, and nothing as nothing. */
const shown = (value: unknown) =>
  typeof value !== "string" ? value === null ? "–" : typeof value === "boolean" ? value ? "Yes" : "No" : JSON.stringify(value) : timePattern.test(value) ? Date.parse(value) > nowMillis() ? wholeTime(value) : <Ago key="at" at={value} /> : words[value] ?? value
const words: Readonly<Record<string, string>> = { up: "Up", down: "Down", unknown: "Unknown" }
/** Where a name alone does not say it. */
const names: Readonly<Record<string, string>> = { log_seq: "Has read the log to", behind: "Messages of the log it lacks", pending_there: "Waits there to be sent" }
const facts = (record: Readonly<Record<string, unknown>>) => Object.entries(record).map(([name, value]) => [name, [names[name] ?? sentenceOf(name.replaceAll("_", " ")), shown(value)]] as const)

const hour = 3600
/** Until when the session holds, which the machine renews by itself. */
const sessionLine = (left: number | null): string | undefined =>
  left === null ? undefined : left <= 0 ? "Renewed when the machine is online" : `For ${left > 2 * hour ? `${Math.round(left / hour)} hours` : `${Math.max(1, Math.round(left / 60))} minutes`} more`

/** Why one device is not in step. */
export const Peer = ({ id }: { readonly id: string }) => {
  const asked = useAsked(["debug", id], (backend) => backend.debug(id))
  return (
    <Page title={typeof asked.data?.peer_info["user_id"] === "string" ? `A device of ${asked.data.peer_info["user_id"]}` : id} line={<>{id} · <a href={hrefOf("peers")}>All peers</a></>} wide>
      <Asked of={asked}>
        {(debug) => (
          <>
            <Wrong id={id} />
            <Figures>
              <Figure label="Lag" value={<Lag seconds={debug.sync_lag} askedAt={asked.dataUpdatedAt} />} {...(debug.sync_lag > 300 ? { tone: "alarm" as const } : {})} />
              <Figure label="Session" value={sentenceOf(debug.sbt_status)} line={sessionLine(debug.sbt_expires_in)} {...(debug.sbt_status === "valid" ? {} : { tone: "warm" as const })} />
              <Figure label="Last sync" value={debug.last_successful_sync === null ? "Never" : <Ago at={debug.last_successful_sync} />} />
              <Counted id={id} />
            </Figures>
            <Section title="Lately went wrong"><Rows label="Errors" heads={["When", "What"]} none="Nothing." rows={debug.recent_errors.map(({ at, what }, n) => [`${at} ${n}`, [<Ago key="at" at={at} />, what]])} /></Section>
            <Section title="Waits to be fetched"><Rows label="Queue" heads={["Event", "Since", "Bytes"]} none="Nothing." rows={debug.offline_queue.map(({ bytes, seq, time, type }) => [String(seq), [type ?? "unknown", <Ago key="at" at={time} />, bytes.toLocaleString("en")]])} /></Section>
            <Section title="Network"><Rows label="Network" heads={["What", "Is"]} none="Nothing known." rows={facts(debug.network_status)} /></Section>
            <Section title="Who it is"><Rows label="Identity" heads={["What", "Is"]} none="Nothing known." rows={facts(debug.peer_info)} /></Section>
          </>
        )}
      </Asked>
    </Page>
  )
}

/** What fires about this device, first: it is why somebody looks at it. */
const Wrong = ({ id }: { readonly id: string }) =>
  <>{useAsked(["alerts"], (backend) => backend.alerts()).data?.alerts.filter(({ status, subject }) => status === "firing" && subject === id).map((alert) => <Firing key={alert.id} alert={alert} />)}</>

/** A figure that alerts, below this share. */
const rateMin = 0.9
const queueMax = 1000

/** What it sent so far, and how that went. */
const Counted = ({ id }: { readonly id: string }) => {
  const found = useAsked(["metrics"], (backend) => backend.metrics()).data?.find(({ peer_id }) => peer_id === id)
  if (found === undefined) return null
  const { queue_depth: depth, sync_success_rate: rate, total_events: events, total_syncs: syncs } = found
  return (
    <>
      <Figure label="Waits to be sent" value={depth.toLocaleString("en")} line="As the device told last" {...(depth > queueMax ? { tone: "warm" as const } : {})} />
      <Figure label="Syncs that succeeded" value={`${(Math.floor(rate * 1000) / 10).toLocaleString("en")} %`} line="Of the last quarter of an hour" {...(rate < rateMin ? { tone: "alarm" as const } : {})} />
      <Figure label="Sent so far" value={events.toLocaleString("en")} line={`${events === 1 ? "event" : "events"} in ${syncs === 1 ? "1 sync" : `${syncs.toLocaleString("en")} syncs`}`} />
    </>
  )
}
