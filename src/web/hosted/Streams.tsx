import type { HostedStatus } from "../../sdk/typescript/owner/index.ts"
import { Figure, Figures, Page, Section } from "../parts/Page.tsx"
import { Asked } from "./Asked.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

const size = (bytes: number | null): string => bytes === null ? "unknown" : bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`
const count = (n: number): string => n.toLocaleString("en")

/** The log's streams and the disk under them, and whose log it is. */
export const Streams = () => {
  const asked = useAsked(["status"], (backend) => backend.status())
  return <Page title="Streams" wide><Asked of={asked}>{(status) => <Health status={status} />}</Asked></Page>
}

const Health = ({ status }: { readonly status: HostedStatus }) => {
  const streams = status.partitions ?? [{ name: "LOG", log_epoch: status.log_epoch, log: status.log }]
  return (
    <>
      <Figures>
        <Figure label="Streams that answer" value={`${streams.filter(({ log }) => log !== null).length} of ${streams.length}`} {...(streams.every(({ log }) => log !== null) ? {} : { tone: "alarm" as const })} />
        <Figure label="Disk" value={status.disk.state} line={`${size(status.disk.free_bytes)} free`} {...(status.disk.state === "ok" ? {} : { tone: "alarm" as const })} />
        <Figure label="Admin role" value={status.admin_role ? "Here" : "Elsewhere"} />
        <Figure label="nats-server" value={status.versions.nats_server} />
      </Figures>
      <Section title="The log"><Rows label="Streams" heads={["Stream", "Epoch", "Last", "Messages", "Size"]} none="None." rows={streams.map(({ log, log_epoch, name }) => [name, log === null ? [name, log_epoch, "does not answer", "–", "–"] : [name, log_epoch, count(log.last_seq), count(log.messages), size(log.bytes)]])} /></Section>
      <Section title="Tenants"><Rows label="Tenants" heads={["Person", "Tenant", "Devices", "Last in the log"]} none="Nobody is enrolled yet." rows={status.tenants.map(({ devices, last_seq, tenant, user_id }) => [tenant, [user_id, tenant, devices, count(last_seq)]])} /></Section>
    </>
  )
}
