import { hrefOf } from "../navigation/route.ts"
import { Ago } from "../parts/Ago.tsx"
import { Figure, Figures, Page, Section } from "../parts/Page.tsx"
import { Asked } from "./Asked.tsx"
import { Lag } from "./Lag.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

const facts = (record: Readonly<Record<string, unknown>>) => Object.entries(record).map(([name, value]) => [name, [name.replaceAll("_", " "), typeof value === "string" ? value : JSON.stringify(value)]] as const)

/** Why one device is not in step. */
export const Peer = ({ id }: { readonly id: string }) => {
  const asked = useAsked(["debug", id], (backend) => backend.debug(id))
  return (
    <Page title={id} line={<a href={hrefOf("peers")}>All peers</a>} wide>
      <Asked of={asked}>
        {(debug) => (
          <>
            <Figures>
              <Figure label="Lag" value={<Lag seconds={debug.sync_lag} askedAt={asked.dataUpdatedAt} />} {...(debug.sync_lag > 300 ? { tone: "alarm" as const } : {})} />
              <Figure label="Session" value={debug.sbt_status} />
              <Figure label="Waiting" value={debug.offline_queue.length === 10 ? "10 or more" : debug.offline_queue.length} />
              <Figure label="Last sync" value={debug.last_successful_sync === null ? "Never" : <Ago at={debug.last_successful_sync} />} />
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
