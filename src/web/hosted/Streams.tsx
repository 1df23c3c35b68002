import { Badge } from "@mantine/core"
import type { Check, HostedStatus } from "../../sdk/typescript/owner/index.ts"
import { sentences } from "../../sdk/typescript/problems.ts"
import { Note } from "../parts/Note.tsx"
import { Figure, Figures, Page, Section } from "../parts/Page.tsx"
import { Said, sentenceOf } from "../parts/Said.tsx"
import { Asked } from "../parts/Asked.tsx"
import { useAsked } from "./Operated.ts"
import { Rows } from "./Rows.tsx"

const size = (bytes: number): string => bytes < 1024 ** 2 ? `${(bytes / 1024).toFixed(1)} KiB` : bytes < 1024 ** 3 ? `${(bytes / 1024 ** 2).toFixed(1)} MiB` : `${(bytes / 1024 ** 3).toFixed(1)} GiB`
const room = (bytes: number | null): string => bytes === null ? "unknown" : size(bytes)
const roomWords = { ok: "Enough room", low: "Nearly full", full: "Full" } as const
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
        <Figure label="Disk" value={roomWords[status.disk.state]} line={`${room(status.disk.free_bytes)} free`} {...(status.disk.state === "ok" ? {} : { tone: "alarm" as const })} />
        <Figure label="Admin role" value={status.admin_role ? "Here" : "Elsewhere"} />
        <Figure label="nats-server" value={status.versions.nats_server} />
      </Figures>
      {(status.stale_backups ?? []).map(({ folder, host }) => (
        <Note key={`${host} ${folder}`} title="A backup holds keys from before an erasure">On {host}, in <code>{folder}</code>. Run <code>npx maestra hosted backup --out FOLDER --keys-only</code> for it, or destroy it.</Note>
      ))}
      <Section title="The log"><Rows label="Streams" heads={["Stream", "Epoch", "Last", "Messages", "Size"]} none="None." rows={streams.map(({ log, log_epoch, name }) => [name, log === null ? [name, log_epoch, "does not answer", "–", "–"] : [name, log_epoch, count(log.last_seq), count(log.messages), size(log.bytes)]])} /></Section>
      {status.server_disks === undefined ? null : <Section title="Servers"><Rows label="Servers" heads={["Server", "Disk", "Free"]} none="Nobody watches a server's disk: run maestra hosted cluster disk beside each." rows={status.server_disks.map(({ free_bytes, server, state }) => [server, [server, roomWords[state], room(free_bytes)]])} /></Section>}
      <Checks />
      <Section title="Tenants"><Rows label="Tenants" heads={["Person", "Tenant", "Devices", "Last in the log"]} none="Nobody is enrolled yet." rows={status.tenants.map(({ devices, last_seq, tenant, user_id }) => [tenant, [user_id, tenant, devices, count(last_seq)]])} /></Section>
    </>
  )
}

const levels = { ok: { color: "sea", word: "Fine" }, warn: { color: "yellow", word: "Look" }, fail: { color: "red", word: "Wrong" } } as const

/** Whether each stream is there as it should be, and on a cluster its copies. */
const Checks = () => {
  const asked = useAsked(["checks"], (backend) => backend.checks())
  return <Section title="Checks"><Asked of={asked}>{(checks) => <Rows label="Checks" heads={["What", "Is", "Found"]} none="Nothing to check." rows={checks.map((check) => [check.name, [sentenceOf(check.name), <Level key="level" level={check.level} />, check.todo === undefined ? sentenceOf(check.detail) : <Said key="todo" text={sentences(sentenceOf(check.detail), check.todo)} />]])} />}</Asked></Section>
}

const Level = ({ level }: Pick<Check, "level">) => <Badge variant="light" color={levels[level].color}>{levels[level].word}</Badge>
